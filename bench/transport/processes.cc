#include "processes.h"

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <sstream>

#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "baton/base/check.h"

extern char** environ;

namespace baton::bench {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

Duration TimeOf(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

void WriteAll(int fd, const char* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t written = write(fd, data, bytes);
    if (written <= 0) std::exit(1);
    data += written;
    bytes -= static_cast<size_t>(written);
  }
}

void ReadExactly(int fd, char* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t got = read(fd, data, bytes);
    if (got <= 0) std::exit(1);
    data += got;
    bytes -= static_cast<size_t>(got);
  }
}

}  // namespace

Process::Process(std::vector<std::string> arguments, std::vector<std::string> environment) {
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  int in[2], out[2];
  BATON_CHECK(pipe(in) == 0 && pipe(out) == 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  for (int fd : {in[0], in[1], out[0], out[1]}) posix_spawn_file_actions_addclose(&actions, fd);
  const int error = posix_spawnp(&pid_, arguments[0].c_str(), &actions, nullptr,
                                 Pointers(arguments).data(), Pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  BATON_CHECK(error == 0) << "cannot start " << arguments[0];
  close(in[0]);
  close(out[1]);
  in_ = in[1];
  out_ = out[0];
}

Process::~Process() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(in_);
  close(out_);
}

void Process::Write(const std::string& bytes) { WriteField(in_, bytes); }

std::string Process::Read() { return ReadField(out_); }

Process::Ended Process::Finish(Duration limit) {
  Ended ended;
  const TimePoint deadline = Clock::System().Now() + limit;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::System().Now());
    pollfd descriptor{out_, POLLIN, 0};
    if (left.count() <= 0 || poll(&descriptor, 1, static_cast<int>(left.count())) <= 0) break;
    char buffer[4096];
    const ssize_t got = read(out_, buffer, sizeof(buffer));
    if (got <= 0) break;
    ended.printed.append(buffer, static_cast<size_t>(got));
  }
  kill(pid_, SIGKILL);  // Nothing is left to do for one that closed its output.
  rusage usage{};
  wait4(pid_, nullptr, 0, &usage);
  pid_ = -1;
  for (const timeval& time : {usage.ru_utime, usage.ru_stime}) {
    ended.cpu_time += std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  }
  return ended;
}

Duration Process::CpuTime() const {
  clockid_t clock{};
  BATON_CHECK(clock_getcpuclockid(pid_, &clock) == 0);
  return TimeOf(clock);
}

Duration OwnCpuTime() { return TimeOf(CLOCK_PROCESS_CPUTIME_ID); }

bool HasProgram(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (access((std::filesystem::path(folder) / name).c_str(), X_OK) == 0) return true;
  }
  return false;
}

void WriteField(int fd, const std::string& bytes) {
  const auto size = static_cast<uint32_t>(bytes.size());
  WriteAll(fd, reinterpret_cast<const char*>(&size), sizeof(size));
  WriteAll(fd, bytes.data(), bytes.size());
}

std::string ReadField(int fd) {
  uint32_t size = 0;
  ReadExactly(fd, reinterpret_cast<char*>(&size), sizeof(size));
  std::string bytes(size, '\0');
  ReadExactly(fd, bytes.data(), size);
  return bytes;
}

}  // namespace baton::bench
