#include "perftest.h"

#include <algorithm>
#include <sstream>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "processes.h"

namespace baton::bench {
namespace {

/// Moved by one run, and so the time that it takes: a few tenths of a second.
constexpr size_t kBytesPerRun = size_t{2} << 30;
constexpr size_t kBytesPerRunOverNetwork = size_t{64} << 20;
constexpr size_t kFewestPuts = 12;
constexpr size_t kFewestPutsOverNetwork = 4;
/// UCX's puts over TCP can take very long when cores are short.
constexpr Duration kLimit = std::chrono::seconds(30);

/// One that was free a moment ago.
uint16_t FreePort() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(fd);
  return bound ? ntohs(address.sin_port) : 0;
}

/// The client's last line: iterations, overhead (median, average, overall) in us, bandwidth
/// (average, overall) in MiB/s, rate (average, overall).
double OverallBytesPerSecond(const std::string& printed) {
  std::istringstream lines(printed);
  std::vector<double> last;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::vector<double> numbers;
    for (std::string word; words >> word;) numbers.push_back(std::strtod(word.c_str(), nullptr));
    if (numbers.size() == 8) last = numbers;
  }
  return last.empty() ? 0 : last[5] * (1 << 20);
}

/// One run of `puts` puts after a warm-up; its figures are 0 when it failed.
struct Run {
  double bytes_per_s = 0;
  Duration cpu_time{};
};

Run RunOnce(size_t bytes, size_t puts, const PerftestOptions& options) {
  std::vector<std::string> environment{"UCX_LOG_LEVEL=fatal", "UCX_WARN_UNUSED_ENV_VARS=n"};
  if (!options.tls.empty()) environment.push_back("UCX_TLS=" + options.tls);
  const std::string port = std::to_string(FreePort());
  std::vector<std::string> server{"ucx_perftest", "-p", port};
  std::vector<std::string> client{"ucx_perftest",
                                  "127.0.0.1",
                                  "-p",
                                  port,
                                  "-t",
                                  "ucp_put_bw",
                                  "-s",
                                  std::to_string(bytes),
                                  "-n",
                                  std::to_string(puts),
                                  "-w",
                                  "2",
                                  "-f"};
  // -o keeps a responder with nothing to do from spinning on a core that others need.
  for (auto* command : {&server, &client}) {
    if (options.one_sided) command->push_back("-o");
  }
  const Process responder(server, environment);
  // It offers no sign that it listens, and a client that comes too early ends at once.
  const TimePoint deadline = Clock::System().Now() + kLimit;
  while (Clock::System().Now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const Process::Ended ended = Process(client, environment).Finish(kLimit);
    const double rate = OverallBytesPerSecond(ended.printed);
    if (rate > 0) return {rate, ended.cpu_time};
  }
  return {};
}

}  // namespace

PutRate RunPerftest(size_t bytes, const PerftestOptions& options) {
  const size_t moved = options.one_sided ? kBytesPerRun : kBytesPerRunOverNetwork;
  const size_t puts =
      std::max(options.one_sided ? kFewestPuts : kFewestPutsOverNetwork, moved / bytes);
  const Run run = RunOnce(bytes, puts, options);
  // What it takes to start and to warm up is in both.
  const Run start = RunOnce(bytes, 1, options);
  const Duration cpu_time = run.cpu_time - start.cpu_time;
  if (run.bytes_per_s == 0 || start.bytes_per_s == 0 || cpu_time <= Duration::zero()) {
    return {run.bytes_per_s, 0};
  }
  return {run.bytes_per_s, static_cast<double>(bytes * (puts - 1)) / Seconds(cpu_time)};
}

}  // namespace baton::bench
