#include "baton/app/child_process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "baton/app/notify.h"
#include "baton/app/pidfd.h"

namespace baton::app {
namespace {

struct Pipe {
  FileDescriptor read;
  FileDescriptor write;
};

Result<Pipe> MakePipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return ResourceExhausted(std::string("no pipe: ") + std::strerror(errno));
  }
  return Pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> EnvironmentWithNotify(int notify_fd) {
  const std::string ours = std::string(kNotifyVariable) + "=";
  std::vector<std::string> variables{ours + std::to_string(notify_fd)};
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with(ours)) variables.emplace_back(*variable);
  }
  return variables;
}

/// Everything that the new process needs between fork and exec, where it must not allocate.
struct Launch {
  const char* executable = nullptr;
  char* const* arguments = nullptr;
  char* const* environment = nullptr;
  pid_t parent = -1;
  int null_fd = -1;
  int output_fd = -1;
  int notify_fd = -1;
  int error_fd = -1;
};

[[noreturn]] void RunChild(const Launch& launch) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The parent may have ended before the call above.
  if (getppid() != launch.parent) _exit(127);
  setpgid(0, 0);
  signal(SIGPIPE, SIG_DFL);
  // One that asks for a dump waits until the process looks for it, rather than end it.
  sigset_t waiting;
  sigemptyset(&waiting);
  sigaddset(&waiting, SIGUSR1);
  sigprocmask(SIG_SETMASK, &waiting, nullptr);
  dup2(launch.null_fd, STDIN_FILENO);
  dup2(launch.output_fd, STDOUT_FILENO);
  dup2(launch.output_fd, STDERR_FILENO);
  fcntl(launch.notify_fd, F_SETFD, 0);
  execve(launch.executable, launch.arguments, launch.environment);
  const int error = errno;
  // Nothing is left to do where even this fails: the exit code says the rest.
  if (write(launch.error_fd, &error, sizeof error) != sizeof error) _exit(126);
  _exit(127);
}

void SetNonBlocking(const FileDescriptor& fd) { fcntl(fd.get(), F_SETFL, O_NONBLOCK); }

}  // namespace

Result<ChildProcess> StartProcess(const std::string& executable,
                                  const std::vector<std::string>& arguments) {
  BATON_ASSIGN_OR_RETURN(Pipe output, MakePipe());
  BATON_ASSIGN_OR_RETURN(Pipe notes, MakePipe());
  BATON_ASSIGN_OR_RETURN(Pipe failure, MakePipe());
  const FileDescriptor null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  std::vector<std::string> texts = arguments;
  std::vector<std::string> variables = EnvironmentWithNotify(notes.write.get());
  const std::vector<char*> argv = Pointers(texts);
  const std::vector<char*> envp = Pointers(variables);
  const Launch launch{executable.c_str(), argv.data(),        envp.data(),
                      getpid(),           null.get(),         output.write.get(),
                      notes.write.get(),  failure.write.get()};
  const pid_t pid = fork();
  if (pid < 0) return ResourceExhausted(std::string("fork: ") + std::strerror(errno));
  if (pid == 0) RunChild(launch);
  setpgid(pid, pid);
  failure.write.Close();
  int error = 0;
  // Ends with exec, which closes the other end.
  if (read(failure.read.get(), &error, sizeof error) == sizeof error) {
    waitpid(pid, nullptr, 0);
    return Unavailable("cannot execute " + executable + ": " + std::strerror(error));
  }
  ChildProcess child{pid, OpenPidfd(pid), std::move(output.read), std::move(notes.read)};
  BATON_CHECK(child.pidfd.open()) << "pidfd_open: " << std::strerror(errno);
  SetNonBlocking(child.output);
  SetNonBlocking(child.notes);
  return child;
}

bool SendSignal(const ChildProcess& child, int signal) {
  return SendPidfdSignal(child.pidfd, signal);
}

std::string ProcessEnd::Describe() const {
  if (exited) return "exit code " + std::to_string(code);
  return "signal " + std::to_string(code) + " (" + strsignal(code) + ")";
}

ProcessEnd Reap(const ChildProcess& child) {
  // Its group is still its own: a pid is not given away before the process is reaped.
  kill(-child.pid, SIGKILL);
  siginfo_t info{};
  if (waitid(P_PIDFD, static_cast<id_t>(child.pidfd.get()), &info, WEXITED) != 0) return {};
  return {info.si_code == CLD_EXITED, info.si_status};
}

}  // namespace baton::app
