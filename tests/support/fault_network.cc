#include "support/fault_network.h"

#include <array>
#include <cstring>
#include <mutex>
#include <queue>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "baton/base/check.h"
#include "baton/base/random.h"

namespace baton::test {
namespace {

constexpr size_t kFrameBytes = 2048;
/// Frames handled between two looks at the clock.
constexpr int kBurst = 64;
constexpr std::array<uint8_t, 5> kMacPrefix = {0x02, 0xBA, 0x70, 0x11, 0x00};
constexpr int kInterfaceQueue = 4000;

int OpenNamespace() { return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC); }

/// An interface request for `name`.
ifreq Request(const char* name) {
  ifreq request{};
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  return request;
}

void SetAddress(int control, unsigned long what, const char* address) {
  ifreq request = Request("eth0");
  auto* in = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
  in->sin_family = AF_INET;
  inet_pton(AF_INET, address, &in->sin_addr);
  BATON_CHECK(ioctl(control, what, &request) == 0) << std::strerror(errno);
}

void SetUp(int control, const char* name) {
  ifreq request = Request(name);
  BATON_CHECK(ioctl(control, SIOCGIFFLAGS, &request) == 0) << std::strerror(errno);
  request.ifr_flags = static_cast<int16_t>(request.ifr_flags | IFF_UP | IFF_RUNNING);
  BATON_CHECK(ioctl(control, SIOCSIFFLAGS, &request) == 0) << std::strerror(errno);
}

/// Makes eth0 in this thread's namespace; returns our end of its cable, or -1.
int MakeInterface(int host) {
  const int cable = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (cable < 0) return -1;
  ifreq request = Request("eth0");
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (ioctl(cable, TUNSETIFF, &request) != 0) {
    close(cable);
    return -1;
  }
  const int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq mac = Request("eth0");
  mac.ifr_hwaddr.sa_family = 1;  // Ethernet.
  std::copy(kMacPrefix.begin(), kMacPrefix.end(), mac.ifr_hwaddr.sa_data);
  mac.ifr_hwaddr.sa_data[5] = static_cast<char>(host + 1);
  BATON_CHECK(ioctl(control, SIOCSIFHWADDR, &mac) == 0) << std::strerror(errno);
  ifreq queue = Request("eth0");
  queue.ifr_qlen = kInterfaceQueue;
  BATON_CHECK(ioctl(control, SIOCSIFTXQLEN, &queue) == 0) << std::strerror(errno);
  SetAddress(control, SIOCSIFADDR, FaultNetwork::Address(host).c_str());
  SetAddress(control, SIOCSIFNETMASK, "255.255.255.0");
  SetUp(control, "lo");
  SetUp(control, "eth0");
  close(control);
  return cable;
}

}  // namespace

class FaultNetwork::Switch {
 public:
  explicit Switch(int hosts) : random_(77), hosts_(static_cast<size_t>(hosts)) {
    wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    home_ = OpenNamespace();
    for (int host = hosts - 1; host >= 0; --host) {  // Host 0 last: this thread stays there.
      BATON_CHECK(unshare(CLONE_NEWNET) == 0) << std::strerror(errno);
      Host& made = hosts_[static_cast<size_t>(host)];
      made.network = OpenNamespace();
      made.cable = MakeInterface(host);
      BATON_CHECK(made.cable >= 0) << std::strerror(errno);
    }
    thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
  }
  ~Switch() {
    thread_.request_stop();
    Wake();
    thread_.join();
    setns(home_, CLONE_NEWNET);
    for (const Host& host : hosts_) {
      close(host.cable);
      close(host.network);
    }
    close(home_);
    close(wake_);
  }

  void In(int host, const std::function<void()>& work) const {
    const int here = OpenNamespace();
    BATON_CHECK(setns(hosts_[static_cast<size_t>(host)].network, CLONE_NEWNET) == 0);
    work();
    BATON_CHECK(setns(here, CLONE_NEWNET) == 0);
    close(here);
  }
  void SetPlugged(int host, bool plugged) {
    std::lock_guard lock(mutex_);
    Host& changed = hosts_[static_cast<size_t>(host)];
    changed.plugged = plugged;
    int carrier = plugged ? 1 : 0;
    BATON_CHECK(ioctl(changed.cable, TUNSETCARRIER, &carrier) == 0) << std::strerror(errno);
  }
  void SetWire(int from, int to, const Wire& wire) {
    std::lock_guard lock(mutex_);
    wires_[{from, to}] = wire;
  }
  int hosts() const { return static_cast<int>(hosts_.size()); }

 private:
  struct Host {
    int network = -1;
    int cable = -1;
    bool plugged = true;
  };
  struct Frame {
    TimePoint due;
    uint64_t number = 0;
    int to = 0;
    std::vector<char> bytes;
    bool operator<(const Frame& other) const {
      return std::pair(due, number) > std::pair(other.due, other.number);
    }
  };

  void Wake() const {
    const uint64_t one = 1;
    (void)!write(wake_, &one, sizeof one);
  }

  void Run(const std::stop_token& stop) {
    std::vector<pollfd> fds;
    for (const Host& host : hosts_) fds.push_back({host.cable, POLLIN, 0});
    fds.push_back({wake_, POLLIN, 0});
    while (!stop.stop_requested()) {
      timespec limit{1, 0};
      if (!waiting_.empty()) {
        const auto left = std::max(waiting_.top().due - Clock::System().Now(), Duration::zero());
        limit = {left.count() / 1'000'000'000, left.count() % 1'000'000'000};
      }
      (void)ppoll(fds.data(), fds.size(), &limit, nullptr);
      std::lock_guard lock(mutex_);
      for (int host = 0; host < hosts(); ++host) TakeFrames(host);
      DeliverDue();
    }
  }

  void TakeFrames(int from) {
    char bytes[kFrameBytes];
    for (int i = 0; i < kBurst; ++i) {
      const ssize_t count = read(hosts_[static_cast<size_t>(from)].cable, bytes, sizeof bytes);
      if (count < 14) return;
      const std::vector<char> frame(bytes, bytes + count);
      const auto* mac = reinterpret_cast<const uint8_t*>(bytes);
      const bool known = std::equal(kMacPrefix.begin(), kMacPrefix.end(), mac);
      for (int to = 0; to < hosts(); ++to) {
        if (to != from && (!known || mac[5] == to + 1)) Send(from, to, frame);
      }
    }
  }

  void Send(int from, int to, const std::vector<char>& frame) {
    const Wire& wire = wires_[{from, to}];
    if (!hosts_[static_cast<size_t>(from)].plugged || random_.Uniform() < wire.loss) return;
    if (wire.delay == Duration::zero() && waiting_.empty()) return Deliver(to, frame);
    waiting_.push({Clock::System().Now() + wire.delay, ++frames_, to, frame});
  }

  void DeliverDue() {
    while (!waiting_.empty() && waiting_.top().due <= Clock::System().Now()) {
      Deliver(waiting_.top().to, waiting_.top().bytes);
      waiting_.pop();
    }
  }

  void Deliver(int to, const std::vector<char>& frame) const {
    const Host& host = hosts_[static_cast<size_t>(to)];
    if (host.plugged) (void)!write(host.cable, frame.data(), frame.size());
  }

  /// Orders the test's changes with the switch; the test may not wait for a frame.
  std::mutex mutex_;
  Random random_;
  std::vector<Host> hosts_;
  std::map<std::pair<int, int>, Wire> wires_;
  std::priority_queue<Frame> waiting_;
  uint64_t frames_ = 0;
  int wake_ = -1;
  int home_ = -1;
  std::jthread thread_;
};

std::string FaultNetwork::WhyNot() {
  std::string why;
  std::thread([&why] {
    if (unshare(CLONE_NEWNET) != 0) {
      why = std::string("no network namespaces (root is needed): ") + std::strerror(errno);
      return;
    }
    const int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    ifreq request = Request("eth0");
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (tun < 0 || ioctl(tun, TUNSETIFF, &request) != 0) {
      why = std::string("no TAP interfaces (/dev/net/tun): ") + std::strerror(errno);
    }
    if (tun >= 0) close(tun);
  }).join();
  return why;
}

FaultNetwork::FaultNetwork(int hosts) : switch_(std::make_unique<Switch>(hosts)) {}
FaultNetwork::~FaultNetwork() = default;

std::string FaultNetwork::Address(int host) { return "10.77.0." + std::to_string(host + 1); }

void FaultNetwork::In(int host, const std::function<void()>& work) const {
  switch_->In(host, work);
}

void FaultNetwork::SetPlugged(int host, bool plugged) { switch_->SetPlugged(host, plugged); }

void FaultNetwork::SetWire(int from, int to, const Wire& wire) { switch_->SetWire(from, to, wire); }

void FaultNetwork::SetWireFrom(int host, const Wire& wire) {
  for (int to = 0; to < switch_->hosts(); ++to) switch_->SetWire(host, to, wire);
}

void FaultNetwork::SetWireTo(int host, const Wire& wire) {
  for (int from = 0; from < switch_->hosts(); ++from) switch_->SetWire(from, host, wire);
}

void FaultNetwork::Heal() {
  for (int host = 0; host < switch_->hosts(); ++host) {
    SetPlugged(host, true);
    SetWireFrom(host, {});
  }
}

}  // namespace baton::test
