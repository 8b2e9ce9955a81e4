#include "support/held_thread.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <sys/ptrace.h>
#include <sys/wait.h>

namespace baton::test {
namespace {

/// -1 for none.
pid_t FindThread(pid_t process, const std::string& name) {
  std::error_code gone;
  const std::filesystem::path tasks = "/proc/" + std::to_string(process) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks, gone)) {
    std::string found;
    std::getline(std::ifstream(task.path() / "comm"), found);
    if (found == name) return std::stoi(task.path().filename());
  }
  return -1;
}

}  // namespace

HeldThread::HeldThread(pid_t process, const std::string& name) {
  thread_ = FindThread(process, name);
  if (thread_ < 0) {
    why_ = "there is no thread " + name;
  } else if (ptrace(PTRACE_SEIZE, thread_, nullptr, nullptr) != 0) {
    why_ = std::string("ptrace: ") + std::strerror(errno);
    thread_ = -1;
  } else {
    ptrace(PTRACE_INTERRUPT, thread_, nullptr, nullptr);
    waitpid(thread_, nullptr, __WALL);
  }
}

HeldThread::~HeldThread() {
  if (thread_ < 0 || ptrace(PTRACE_DETACH, thread_, nullptr, nullptr) == 0) return;
  waitpid(thread_, nullptr, __WALL);  // It has ended, which its process waits for us to see.
}

}  // namespace baton::test
