#include "support/baton_processes.h"

#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/served_baton.h"
#include "support/tiny_model.h"

namespace baton::test {

/// A file that all append to.
class BatonProcesses::Output {
 public:
  std::string path() const { return folder_.path() / "log"; }
  std::string text() const {
    std::ostringstream text;
    text << std::ifstream(path()).rdbuf();
    return text.str();
  }

 private:
  testing_support::TemporaryFolder folder_;
};

BatonProcesses::BatonProcesses() : output_(std::make_unique<Output>()) {}

BatonProcesses::~BatonProcesses() {
  for (const auto& [name, pid] : pids_) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
}

void BatonProcesses::Start(const std::string& name, std::vector<std::string> words) {
  if (words[0] == "baton") words[0] = std::string(BATON_BINARY_DIR) + "/bin/baton";
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::string log = output_->path();
  const pid_t pid = fork();
  if (pid != 0) {
    pids_[name] = pid;
    return;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int output = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execvp(argv[0], argv.data());
  _exit(127);
}

void BatonProcesses::Signal(const std::string& name, int signal) const {
  kill(pids_.at(name), signal);
}

int BatonProcesses::WaitExit(const std::string& name, Duration timeout) {
  const pid_t pid = pids_.at(name);
  int status = 0;
  pid_t ended = 0;
  ServedBaton::Until([&] { return (ended = waitpid(pid, &status, WNOHANG)) != 0; }, timeout);
  if (ended != pid) return -1;
  pids_.erase(name);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string BatonProcesses::log() const { return output_->text(); }

}  // namespace baton::test
