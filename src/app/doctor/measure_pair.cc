#include "measure_pair.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <vector>

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "baton/app/child_process.h"
#include "baton/base/clock.h"
#include "baton/transport/ucx.h"
#include "line_socket.h"

namespace baton::app {
namespace {

using transport::Descriptor;
using transport::PeerId;
using transport::TransferId;

constexpr size_t kRegionBytes = size_t{64} << 20;
constexpr size_t kPutBytes = size_t{16} << 20;
constexpr int kPuts = 24;
constexpr int kMessages = 400;
constexpr size_t kMessageBytes = 64;
constexpr int kClockReadings = 9;
constexpr Duration kPatience = std::chrono::seconds(10);
/// How often it is looked whether to stop.
constexpr Duration kPulse = std::chrono::milliseconds(200);
constexpr char kGreeting[] = "baton-doctor-1";

std::string ToHex(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    hex += kDigits[static_cast<uint8_t>(c) >> 4];
    hex += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return hex;
}

Result<std::string> FromHex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    unsigned value = 0;
    if (std::sscanf(hex.c_str() + i, "%2x", &value) != 1) break;
    bytes += static_cast<char>(value);
  }
  if (2 * bytes.size() != hex.size()) return InvalidArgument("the peer is no baton doctor");
  return bytes;
}

double WallSeconds() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// Which running kernel, as a worker tells its peers.
std::string BootId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  file >> id;
  return id;
}

/// One side of a measurement: a transport with memory, connected to the other's.
class Side final : public transport::TransportListener {
 public:
  Status Open(const std::string& tls) {
    BATON_ASSIGN_OR_RETURN(transport_, transport::MakeUcxTransport({.transports = tls}));
    BATON_ASSIGN_OR_RETURN(region_, transport_->AllocateRegion(kRegionBytes));
    transport_->SetListener(this);
    return OkStatus();
  }

  /// Tells the other where we are, hears where it is, connects, and waits until both have.
  Status Meet(LineSocket& line) {
    BATON_ASSIGN_OR_RETURN(const std::string ours, transport_->Address());
    BATON_RETURN_IF_ERROR(line.Send(std::string(kGreeting) + " " + BootId() + " " + ToHex(ours)));
    BATON_ASSIGN_OR_RETURN(const std::string theirs, line.Receive());
    const size_t first = theirs.find(' ');
    const size_t second = first == std::string::npos ? first : theirs.find(' ', first + 1);
    if (second == std::string::npos || theirs.substr(0, first) != kGreeting) {
      return InvalidArgument("the peer is no baton doctor of this version");
    }
    remote_ = theirs.substr(first + 1, second - first - 1) != BootId();
    BATON_ASSIGN_OR_RETURN(const std::string address, FromHex(theirs.substr(second + 1)));
    BATON_ASSIGN_OR_RETURN(peer_, transport_->Connect(address));
    BATON_RETURN_IF_ERROR(line.Send("connected"));
    return line.Receive().status();
  }

  /// Answers messages until the other closes the line.
  void Echo(const LineSocket& line, const std::stop_token& stop) {
    echo_ = true;
    while (!line.closed() && !stop.stop_requested()) {
      const TimePoint next_look = Clock::System().Now() + kPulse;
      while (Clock::System().Now() < next_look) {
        if (!transport_->Progress()) transport_->Wait(kPulse / 20);
      }
    }
    transport_->Disconnect(peer_);
  }

  /// Seconds there and back, each time.
  Result<double> RoundTrip() {
    const std::vector<std::byte> message(kMessageBytes);
    std::vector<double> times;
    for (int i = 0; i < kMessages; ++i) {
      const int64_t before = messages_;
      const TimePoint begin = Clock::System().Now();
      BATON_RETURN_IF_ERROR(transport_->Send(peer_, message));
      BATON_RETURN_IF_ERROR(Until([&] { return messages_ > before; }, "no message came back"));
      times.push_back(Seconds(Clock::System().Now() - begin));
    }
    std::nth_element(times.begin(), times.begin() + kMessages / 2, times.end());
    return times[kMessages / 2];
  }

  Result<double> BytesPerSecond() {
    // The first ones meet cold memory.
    for (int i = 0; i < 4; ++i) BATON_RETURN_IF_ERROR(PutOne(i));
    std::vector<double> times;
    for (int i = 0; i < kPuts; ++i) {
      const TimePoint begin = Clock::System().Now();
      BATON_RETURN_IF_ERROR(PutOne(i));
      times.push_back(Seconds(Clock::System().Now() - begin));
    }
    std::nth_element(times.begin(), times.begin() + kPuts / 2, times.end());
    return static_cast<double>(kPutBytes) / times[kPuts / 2];
  }

  bool remote() const { return remote_; }
  transport::Path path() const { return transport_->FindPath(peer_); }
  void Leave() { transport_->Disconnect(peer_); }

  void OnMessage(PeerId, std::span<const std::byte> message) override {
    ++messages_;
    if (echo_) (void)transport_->Send(peer_, message);
  }
  void OnTransferDone(PeerId, TransferId, Status status) override {
    ++transfers_;
    transfer_status_ = std::move(status);
  }

 private:
  Status PutOne(int i) {
    const int64_t before = transfers_;
    const auto place = static_cast<uint64_t>(i % static_cast<int>(kRegionBytes / kPutBytes));
    const Descriptor put{place * kPutBytes, place * kPutBytes, kPutBytes};
    BATON_RETURN_IF_ERROR(transport_->Put(peer_, {&put, 1}).status());
    BATON_RETURN_IF_ERROR(Until([&] { return transfers_ > before; }, "a put did not end"));
    return transfer_status_;
  }

  template <typename Reached>
  Status Until(Reached reached, const char* problem) {
    const TimePoint deadline = Clock::System().Now() + kPatience;
    while (!reached()) {
      if (Clock::System().Now() > deadline) return DeadlineExceeded(problem);
      if (!transport_->Progress()) transport_->Wait(std::chrono::milliseconds(1));
    }
    return OkStatus();
  }

  std::unique_ptr<transport::Transport> transport_;
  transport::MemoryRegion region_;
  PeerId peer_{};
  bool remote_ = false;
  bool echo_ = false;
  int64_t messages_ = 0;
  int64_t transfers_ = 0;
  Status transfer_status_;
};

/// By the reading whose answer came soonest, as NTP does.
Result<double> ClockOffset(LineSocket& line) {
  double least = 1e9;
  double offset = 0;
  for (int i = 0; i < kClockReadings; ++i) {
    const double begin = WallSeconds();
    BATON_RETURN_IF_ERROR(line.Send("time"));
    BATON_ASSIGN_OR_RETURN(const std::string answer, line.Receive());
    const double end = WallSeconds();
    double theirs = 0;
    if (std::sscanf(answer.c_str(), "%lf", &theirs) != 1) {
      return InvalidArgument("the peer does not tell the time");
    }
    if (end - begin >= least) continue;
    least = end - begin;
    offset = theirs - (begin + end) / 2;
  }
  return offset;
}

Status TellTime(LineSocket& line) {
  for (int i = 0; i < kClockReadings; ++i) {
    BATON_RETURN_IF_ERROR(line.Receive().status());
    char now[64];
    std::snprintf(now, sizeof now, "%.9f", WallSeconds());
    BATON_RETURN_IF_ERROR(line.Send(now));
  }
  return OkStatus();
}

Status ServeOne(LineSocket line, const std::string& tls, const std::stop_token& stop) {
  Side side;
  BATON_RETURN_IF_ERROR(side.Open(tls));
  BATON_RETURN_IF_ERROR(side.Meet(line));
  BATON_RETURN_IF_ERROR(TellTime(line));
  side.Echo(line, stop);
  return OkStatus();
}

/// The line that the child prints first, without "listening on ".
Result<std::string> AddressOf(const ChildProcess& child) {
  const TimePoint deadline = Clock::System().Now() + kPatience;
  std::string text;
  while (text.find('\n') == std::string::npos) {
    pollfd poller{.fd = child.output.get(), .events = POLLIN, .revents = 0};
    if (Clock::System().Now() > deadline)
      return DeadlineExceeded("the second process said nothing");
    if (poll(&poller, 1, 100) <= 0) continue;
    char bytes[256];
    const ssize_t count = read(child.output.get(), bytes, sizeof bytes);
    if (count == 0) return Unavailable("the second process ended: " + text);
    if (count > 0) text.append(bytes, static_cast<size_t>(count));
  }
  const std::string mark = "listening on ";
  const size_t at = text.find(mark);
  if (at == std::string::npos) return Unavailable("the second process said: " + text);
  const size_t begin = at + mark.size();
  return text.substr(begin, text.find('\n', begin) - begin);
}

}  // namespace

Status ServePairMeasurements(const std::string& address, const std::string& tls,
                             const std::stop_token& stop) {
  BATON_ASSIGN_OR_RETURN(const LineListener listener, LineListener::Listen(address));
  std::printf("listening on %s\n", listener.address().c_str());
  std::fflush(stdout);
  while (!stop.stop_requested()) {
    Result<LineSocket> line = listener.Accept(kPulse);
    if (!line.ok()) continue;
    const Status served = ServeOne(*std::move(line), tls, stop);
    if (!served.ok()) std::fprintf(stderr, "baton doctor: %s\n", served.message().c_str());
  }
  return OkStatus();
}

Result<PairFigures> MeasurePair(const std::string& address, const std::string& tls) {
  BATON_ASSIGN_OR_RETURN(LineSocket line, LineSocket::Dial(address));
  Side side;
  BATON_RETURN_IF_ERROR(side.Open(tls));
  BATON_RETURN_IF_ERROR(side.Meet(line));
  PairFigures figures{.remote = side.remote()};
  BATON_ASSIGN_OR_RETURN(figures.clock_offset_s, ClockOffset(line));
  BATON_ASSIGN_OR_RETURN(figures.round_trip_s, side.RoundTrip());
  BATON_ASSIGN_OR_RETURN(figures.bytes_per_s, side.BytesPerSecond());
  figures.path = side.path();
  side.Leave();
  return figures;
}

Result<PairFigures> MeasurePairOnThisHost(const std::string& tls) {
  const std::string executable = std::filesystem::read_symlink("/proc/self/exe");
  std::vector<std::string> arguments = {"baton", "doctor", "--listen", "127.0.0.1:0"};
  if (!tls.empty()) arguments.insert(arguments.end(), {"--set", "transport.tls=" + tls});
  BATON_ASSIGN_OR_RETURN(const ChildProcess child, StartProcess(executable, arguments));
  const auto figures = [&]() -> Result<PairFigures> {
    BATON_ASSIGN_OR_RETURN(const std::string address, AddressOf(child));
    return MeasurePair(address, tls);
  }();
  SendSignal(child, SIGKILL);
  pollfd poller{.fd = child.pidfd.get(), .events = POLLIN, .revents = 0};
  poll(&poller, 1, 5000);
  Reap(child);
  return figures;
}

}  // namespace baton::app
