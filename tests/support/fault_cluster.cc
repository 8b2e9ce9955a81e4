#include "support/fault_cluster.h"

#include <algorithm>
#include <mutex>
#include <regex>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/http_client.h"
#include "support/served_baton.h"

namespace baton::test {
namespace {

const std::string kWorkerPort = ":7000";

std::string Yaml(bool shared_memory) {
  std::ostringstream yaml;
  const auto address = [](int host) { return FaultNetwork::Address(host) + kWorkerPort; };
  yaml << "model: " << BATON_SOURCE_DIR << "/configs/models/baton-tiny\n"
       << "router: {host: 127.0.0.1, port: " << FaultCluster::kPort
       << ", policy: least_loaded, workers: [\"p0=" << address(FaultCluster::kPrefillHost)
       << "\", \"d0=" << address(FaultCluster::kDecodeHost) << "\"]}\n"
       << "workers: {insecure: true, prefill: {threads: 1, kv_memory: 24MiB}, decode: {threads: 1, "
          "kv_memory: "
          "48MiB}}\n"
       // Prompts take many steps, and are computed each time.
       << "engine: {step_tokens: 64, running_sequences: 32, prefix_cache: false}\n"
       << "timeouts: {drain: 1s}\n"
       << "transport: {tls: \"" << (shared_memory ? "" : "tcp") << "\"}\n";
  return yaml.str();
}

/// Runs `words` with its output in `output`; ended by the kernel when this thread ends.
pid_t Spawn(std::vector<std::string> words, int output) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execv(argv[0], argv.data());
  _exit(127);
}

}  // namespace

/// What the processes print, with the time at which it came.
class FaultCluster::Log {
 public:
  struct Line {
    TimePoint at;
    std::string process;
    std::string text;
  };

  /// Reads `fd`, which becomes its own, to the end.
  void Read(const std::string& process, int fd) {
    readers_.emplace_back([this, process, fd] {
      FILE* const file = fdopen(fd, "r");
      char* text = nullptr;
      size_t capacity = 0;
      while (getline(&text, &capacity, file) > 0) {
        std::lock_guard lock(mutex_);
        lines_.push_back({Clock::System().Now(), process, text});
      }
      std::free(text);
      std::fclose(file);
    });
  }
  std::vector<Line> lines() const {
    std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Line> lines_;
  std::vector<std::jthread> readers_;
};

FaultCluster::FaultCluster(bool shared_memory) : network_(3), log_(std::make_unique<Log>()) {
  testing_support::WriteFile(folder_.path() / "baton.yaml", Yaml(shared_memory));
  for (const char* name : {"p0", "d0", "router"}) Start(name);
}

FaultCluster::~FaultCluster() {
  for (const auto& [name, pid] : pids_) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
}

void FaultCluster::Start(const std::string& name) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  const std::string config = folder_.path() / "baton.yaml";
  std::vector<std::string> words = {std::string(BATON_BINARY_DIR) + "/bin/baton"};
  const int host = name == "router" ? kRouterHost : HostOf(name);
  if (name == "router") {
    words.insert(words.end(), {"router", "--config", config});
  } else {
    words.insert(words.end(),
                 {"worker", "--role", name == "p0" ? "prefill" : "decode", "--name", name,
                  "--listen", FaultNetwork::Address(host) + kWorkerPort, "--config", config});
  }
  network_.In(host, [&] { pids_[name] = Spawn(words, ends[1]); });
  close(ends[1]);
  log_->Read(name, ends[0]);
}

void FaultCluster::Signal(const std::string& worker, int signal) const {
  kill(pids_.at(worker), signal);
}

void FaultCluster::SignalAll(int signal) const {
  for (const auto& [name, pid] : pids_) kill(pid, signal);
}

void FaultCluster::Kill(const std::string& worker) {
  kill(pids_.at(worker), SIGKILL);
  waitpid(pids_.at(worker), nullptr, 0);
  Start(worker);
}

bool FaultCluster::AllRun() const {
  for (const auto& [name, pid] : pids_) {
    siginfo_t ended{};
    if (waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        ended.si_pid != 0) {
      return false;
    }
  }
  return true;
}

bool FaultCluster::Ready() const { return HttpGet(kPort, "/readyz").status == 200; }

std::string FaultCluster::Metrics() const { return HttpGet(kPort, "/metrics").body; }

HandoffStages FaultCluster::Stages() const {
  const std::string text = Metrics();
  const auto active = [&](const std::string& worker, const std::string& state) {
    return static_cast<int>(SumOfMetric(text, "baton_handoffs_active",
                                        {"worker=\"" + worker + "\"", "state=\"" + state + "\""}));
  };
  HandoffStages stages{.queued = active("p0", "queued"),
                       .prefilling = active("p0", "prefilling"),
                       .flushing = active("p0", "flushing")};
  stages.commit =
      std::max(0, active("d0", "offered") - stages.queued - stages.prefilling - stages.flushing);
  // Sequences that wait for their KV hold a place in the running batch.
  stages.decoding =
      std::max(0, static_cast<int>(SumOfMetric(text, "baton_requests_running", {"worker=\"d0\""})) -
                      active("d0", "offered"));
  return stages;
}

bool FaultCluster::Idle() const {
  const std::string text = Metrics();
  const auto blocks = [&](const std::string& worker, const std::string& state) {
    return SumOfMetric(text, "baton_kv_blocks",
                       {"worker=\"" + worker + "\"", "state=\"" + state + "\""});
  };
  for (const char* worker : {"p0", "d0"}) {
    if (blocks(worker, "free") == 0 || blocks(worker, "used") != 0) return false;
    if (blocks(worker, "quarantined") != 0) return false;
  }
  return SumOfMetric(text, "baton_handoffs_active") == 0 &&
         SumOfMetric(text, "baton_requests_running") == 0 &&
         SumOfMetric(text, "baton_requests_waiting") == 0;
}

Duration FaultCluster::FirstLoss(TimePoint since, const std::string& victim, bool by_router) const {
  static const std::regex kLoss("lost|silent");
  for (const Log::Line& line : log_->lines()) {
    if (line.at < since || line.process == victim) continue;
    if ((line.process == "router") != by_router) continue;
    if (std::regex_search(line.text, kLoss)) return line.at - since;
  }
  return Duration::zero();
}

std::string FaultCluster::log() const {
  std::string text;
  for (const Log::Line& line : log_->lines()) text += "[" + line.process + "] " + line.text;
  return text;
}

}  // namespace baton::test
