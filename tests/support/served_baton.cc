#include "support/served_baton.h"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "baton/base/gate.h"
#include "support/free_port.h"
#include "support/http_client.h"
#include "support/tiny_model.h"

extern char** environ;

namespace baton::test {
namespace {

namespace fs = std::filesystem;

/// How much longer everything may take in this build than its test says.
constexpr int kTimeScale = BATON_TIME_SCALE;

/// How long what an ended process printed may take to be read, unless others still print.
constexpr Duration kLastWords = std::chrono::seconds(5);

constexpr char kReadyMark[] = "baton ready: http";
constexpr char kHostMark[] = "://127.0.0.1:";

/// More patience with each other for processes that are slow: a sanitized one may well say nothing
/// for a second where its cores are busy.
std::vector<std::string> Patience() {
  if (kTimeScale == 1) return {};
  return {"--set", "handoff.silence=5s",        "--set", "handoff.lease=30s",
          "--set", "timeouts.worker_silence=5s"};
}

std::string Yaml(const ServedOptions& options, uint16_t port) {
  std::ostringstream yaml;
  yaml << "model: " << BATON_SOURCE_DIR << "/configs/models/baton-tiny\n"
       << "router: {host: 127.0.0.1, port: " << port << ", policy: " << options.policy << "}\n"
       << "workers:\n";
  const auto group = [&](const char* role, int count) {
    yaml << "  " << role << ": {count: " << count
         << ", threads: 1, kv_memory: " << options.kv_memory << "}\n";
  };
  group("prefill", options.prefill);
  group("decode", options.decode);
  group("mixed", options.mixed);
  yaml << options.yaml;
  return yaml.str();
}

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

pid_t ParentOf(pid_t pid) {
  const std::string stat = ReadAll("/proc/" + std::to_string(pid) + "/stat");
  const size_t paren = stat.rfind(')');
  if (paren == std::string::npos) return -1;
  std::istringstream fields(stat.substr(paren + 1));
  char state = 0;
  pid_t parent = -1;
  fields >> state >> parent;
  return state == 'Z' ? -1 : parent;
}

}  // namespace

/// What the processes print, read by a thread of its own.
struct ServedBaton::Output {
  testing_support::TemporaryFolder folder;
  int fd = -1;
  mutable std::mutex mutex;
  std::string text;
  uint16_t port = 0;
  Gate ready;
  /// Nothing more will come.
  Gate ended;
  std::thread reader;

  void Read() {
    char buffer[4096];
    for (ssize_t count; (count = read(fd, buffer, sizeof buffer)) > 0;) {
      std::lock_guard lock(mutex);
      text.append(buffer, static_cast<size_t>(count));
      if (port == 0) FindPort();
    }
    ended.Open();
  }
  void FindPort() {
    const size_t at = text.find(kReadyMark);
    if (at == std::string::npos || text.find('\n', at) == std::string::npos) return;
    const size_t host = text.find(kHostMark, at);
    if (host == std::string::npos) return;
    const char* begin = text.data() + host + sizeof kHostMark - 1;
    std::from_chars(begin, text.data() + text.size(), port);
    ready.Open();
  }
};

ServedBaton::ServedBaton(const ServedOptions& options) : output_(std::make_unique<Output>()) {
  const fs::path config = output_->folder.path() / "baton.yaml";
  if (!options.output.empty()) output_->port = FreePort();
  testing_support::WriteFile(config, Yaml(options, output_->port));
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  output_->fd = ends[0];

  const std::string program = std::string(BATON_BINARY_DIR) + "/bin/baton";
  std::vector<std::string> words = {program, "serve", "--config", config.string()};
  for (std::string& word : Patience()) words.push_back(std::move(word));
  words.insert(words.end(), options.arguments.begin(), options.arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  if (!options.output.empty()) {
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, options.output.c_str(), O_WRONLY, 0);
  }
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  if (posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv.data(), environ) != 0) pid_ = -1;
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  output_->reader = std::thread([this] { output_->Read(); });
}

ServedBaton::~ServedBaton() {
  if (pid_ > 0 && !reaped_) {
    Signal(SIGTERM);
    if (WaitExit(std::chrono::seconds(20)) < 0 && !reaped_) {
      Signal(SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  if (output_->reader.joinable()) output_->reader.join();
  if (output_->fd >= 0) close(output_->fd);
}

bool ServedBaton::WaitReady(Duration timeout) {
  if (output_->ready.Wait(kTimeScale * timeout)) return true;
  std::cerr << "no ready line; the log so far:\n" << log();
  return false;
}

uint16_t ServedBaton::port() const {
  std::lock_guard lock(output_->mutex);
  return output_->port;
}

std::string ServedBaton::config_file() const { return output_->folder.path() / "baton.yaml"; }

std::string ServedBaton::log() const {
  std::lock_guard lock(output_->mutex);
  return output_->text;
}

bool ServedBaton::WaitLog(const std::string& text, Duration timeout) const {
  return Until([&] { return log().find(text) != std::string::npos; }, timeout);
}

std::vector<pid_t> ServedBaton::Children() const {
  std::vector<pid_t> children;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    pid_t pid = 0;
    const std::string name = entry.path().filename();
    const auto end = name.data() + name.size();
    if (std::from_chars(name.data(), end, pid).ptr == end && ParentOf(pid) == pid_) {
      children.push_back(pid);
    }
  }
  return children;
}

std::string ServedBaton::CommandLine(pid_t pid) {
  std::string text = ReadAll("/proc/" + std::to_string(pid) + "/cmdline");
  for (char& c : text) {
    if (c == '\0') c = ' ';
  }
  return text;
}

pid_t ServedBaton::WorkerPid(const std::string& name) const {
  for (const pid_t pid : Children()) {
    if (CommandLine(pid).find("--name " + name + " ") != std::string::npos) return pid;
  }
  return -1;
}

double ServedBaton::Metric(const std::string& name, const std::vector<std::string>& labels) const {
  return SumOfMetric(HttpGet(port(), "/metrics").body, name, labels);
}

double SumOfMetric(const std::string& text, const std::string& name,
                   const std::vector<std::string>& labels) {
  std::istringstream lines(text);
  double sum = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string found = line.substr(0, line.find_first_of("{ "));
    if (found != name || line.starts_with('#')) continue;
    bool matches = true;
    for (const std::string& label : labels) matches &= line.find(label) != std::string::npos;
    if (matches) sum += std::stod(line.substr(line.rfind(' ') + 1));
  }
  return sum;
}

bool ServedBaton::Until(const std::function<bool()>& reached, Duration timeout) {
  const TimePoint deadline = Clock::System().Now() + kTimeScale * timeout;
  Gate pause;
  while (!reached()) {
    if (Clock::System().Now() >= deadline) return false;
    pause.Wait(std::chrono::milliseconds(20));
  }
  return true;
}

bool ServedBaton::WaitIdle(Duration timeout) const {
  return Until(
      [this] {
        return Metric("baton_kv_blocks", {"state=\"free\""}) > 0 &&
               Metric("baton_kv_blocks", {"state=\"used\""}) == 0 &&
               Metric("baton_kv_blocks", {"state=\"quarantined\""}) == 0 &&
               Metric("baton_requests_running") == 0 && Metric("baton_requests_waiting") == 0;
      },
      timeout);
}

void ServedBaton::Signal(int signal) const { kill(pid_, signal); }

int ServedBaton::WaitExit(Duration timeout) {
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  pollfd poller{.fd = pidfd, .events = POLLIN, .revents = 0};
  const auto timeout_ms = std::chrono::ceil<std::chrono::milliseconds>(kTimeScale * timeout);
  const int ready = poll(&poller, 1, static_cast<int>(timeout_ms.count()));
  close(pidfd);
  if (ready != 1) return -1;
  int status = 0;
  reaped_ = waitpid(pid_, &status, 0) == pid_;
  output_->ended.Wait(kTimeScale * kLastWords);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace baton::test
