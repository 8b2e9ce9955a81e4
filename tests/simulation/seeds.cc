#include "seeds.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <limits>
#include <optional>
#include <sstream>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace baton::simulation {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr const char* kFailedSeeds = BATON_BINARY_DIR "/failed_seeds.txt";
constexpr auto kReport = std::chrono::seconds(10);

std::optional<uint64_t> FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::strtoull(value, nullptr, 10);
}

/// Written ahead, because it is needed when the process is about to end.
char again[256];

void SayAgain() {
  const auto write_all = [](int file) { (void)!::write(file, again, std::strlen(again)); };
  write_all(STDERR_FILENO);
  const int file = ::open(kFailedSeeds, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) return;
  write_all(file);
  ::close(file);
}

void OnFatalSignal(int signal) {
  SayAgain();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void CatchFatalSignals() {
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    std::signal(signal, OnFatalSignal);
  }
}

/// False when it failed.
bool RunOne(const Seeds& seeds, uint64_t seed, Counts& counts) {
  std::snprintf(again, sizeof again, "BATON_SIMULATION_SEED=%llu ./dev test -R %s\n",
                static_cast<unsigned long long>(seed), seeds.test.c_str());
  SCOPED_TRACE(again);
  for (const auto& [name, count] : seeds.run(seed)) counts[name] += count;
  ++counts["seeds"];
  if (!testing::Test::HasFailure()) return true;
  SayAgain();
  return false;
}

/// Which seeds a process takes.
struct Range {
  uint64_t first = 1;
  uint64_t end = 1;
  uint64_t stride = 1;
  SteadyClock::time_point deadline;
};

Counts RunRange(const Seeds& seeds, const Range& range,
                const std::function<void(const Counts&)>& progress) {
  Counts counts;
  for (uint64_t seed = range.first; seed < range.end; seed += range.stride) {
    if (SteadyClock::now() > range.deadline) break;
    const bool passed = RunOne(seeds, seed, counts);
    progress(counts);
    if (!passed) break;
  }
  return counts;
}

std::string ToLine(const Counts& counts) {
  std::string line;
  for (const auto& [name, count] : counts) line += name + "=" + std::to_string(count) + ",";
  return line + "\n";
}

Counts FromLine(const std::string& line) {
  Counts counts;
  std::istringstream in(line);
  for (std::string field; std::getline(in, field, ',');) {
    const size_t equals = field.find('=');
    if (equals != std::string::npos) {
      counts[field.substr(0, equals)] = std::strtoll(field.c_str() + equals + 1, nullptr, 10);
    }
  }
  return counts;
}

/// A process that runs a part of the seeds and writes its counts so far after each.
class Job {
 public:
  Job(const Seeds& seeds, const Range& range) {
    int ends[2];
    if (::pipe(ends) != 0) std::abort();
    child_ = ::fork();
    if (child_ == 0) {
      ::close(ends[0]);
      RunRange(seeds, range, [&](const Counts& counts) {
        const std::string line = ToLine(counts);
        (void)!::write(ends[1], line.data(), line.size());
      });
      std::cout.flush();
      ::_exit(testing::Test::HasFailure() ? 1 : 0);
    }
    ::close(ends[1]);
    pipe_ = ends[0];
  }

  int pipe() const { return pipe_; }
  const Counts& counts() const { return counts_; }
  /// Reads what there is. False at the end.
  bool Read() {
    char buffer[65536];
    const ssize_t bytes = ::read(pipe_, buffer, sizeof buffer);
    if (bytes <= 0) return false;
    text_.append(buffer, static_cast<size_t>(bytes));
    const size_t end = text_.rfind('\n');
    if (end == std::string::npos) return true;
    const size_t begin = end == 0 ? std::string::npos : text_.rfind('\n', end - 1);
    counts_ = FromLine(text_.substr(begin == std::string::npos ? 0 : begin + 1, end));
    text_.erase(0, end + 1);
    return true;
  }
  bool Passed() {
    int status = 0;
    ::close(pipe_);
    ::waitpid(child_, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

 private:
  pid_t child_ = 0;
  int pipe_ = -1;
  std::string text_;
  Counts counts_;
};

Counts Sum(const std::vector<Job>& jobs) {
  Counts sum;
  for (const Job& job : jobs) {
    for (const auto& [name, count] : job.counts()) sum[name] += count;
  }
  return sum;
}

Counts RunInProcesses(const Seeds& seeds, const Range& range, uint64_t processes) {
  std::vector<Job> jobs;
  std::vector<pollfd> pipes;
  for (uint64_t i = 0; i < processes; ++i) {
    Range part = range;
    part.first += i;
    part.stride = processes;
    std::cout.flush();
    jobs.emplace_back(seeds, part);
    pipes.push_back({.fd = jobs.back().pipe(), .events = POLLIN, .revents = 0});
  }
  const auto start = SteadyClock::now();
  auto report = start + kReport;
  for (uint64_t open = processes; open > 0;) {
    ::poll(pipes.data(), pipes.size(), 1000);
    for (size_t i = 0; i < jobs.size(); ++i) {
      if (pipes[i].fd < 0 || pipes[i].revents == 0 || jobs[i].Read()) continue;
      pipes[i].fd = -1;
      --open;
      EXPECT_TRUE(jobs[i].Passed()) << "a seed failed; see above";
    }
    if (SteadyClock::now() < report && open > 0) continue;
    report += kReport;
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(SteadyClock::now() - start).count();
    std::cout << seeds.test << " " << seconds << " s: " << ToLine(Sum(jobs)) << std::flush;
  }
  return Sum(jobs);
}

}  // namespace

bool OneSeedOnly() { return FromEnvironment("BATON_SIMULATION_SEED").has_value(); }

Counts RunSeeds(const Seeds& seeds) {
  CatchFatalSignals();
  Range range{.deadline = SteadyClock::time_point::max()};
  if (const auto seed = FromEnvironment("BATON_SIMULATION_SEED")) {
    range.first = *seed;
    range.end = *seed + 1;
    return RunRange(seeds, range, [](const Counts&) {});
  }
  range.first = FromEnvironment("BATON_SIMULATION_FIRST").value_or(1);
  const auto seconds = FromEnvironment("BATON_SIMULATION_SECONDS");
  const auto count = FromEnvironment("BATON_SIMULATION_SEEDS");
  range.end = range.first + count.value_or(seeds.count);
  if (seconds) {
    range.deadline = SteadyClock::now() + std::chrono::seconds(*seconds);
    if (!count) range.end = std::numeric_limits<uint64_t>::max() / 2;
  }
  const uint64_t processes = FromEnvironment("BATON_SIMULATION_JOBS").value_or(1);
  const Counts counts = processes > 1 ? RunInProcesses(seeds, range, processes)
                                      : RunRange(seeds, range, [](const Counts&) {});
  std::cout << seeds.test << ": " << ToLine(counts);
  return counts;
}

}  // namespace baton::simulation
