#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "baton/base/clock.h"

namespace baton::bench {

/// A process whose standard input and output are ours to write and read; killed at the latest when
/// this goes out of scope.
class Process {
 public:
  /// `arguments` begins with the program, looked up in PATH. `environment` is added to ours, as
  /// "NAME=value". Ends this process when there is no such program.
  explicit Process(std::vector<std::string> arguments, std::vector<std::string> environment = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void Write(const std::string& bytes);
  std::string Read();
  struct Ended {
    std::string printed;
    Duration cpu_time{};
  };
  /// Waits for its end; kills it when that takes longer than `limit`.
  Ended Finish(Duration limit);
  /// CPU time of all its threads so far.
  Duration CpuTime() const;

 private:
  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
};

/// CPU time of all our own threads so far.
Duration OwnCpuTime();
/// Whether PATH has such a program.
bool HasProgram(const std::string& name);

/// A byte string on a pipe, behind its length. Reading ends this process at the pipe's end.
void WriteField(int fd, const std::string& bytes);
std::string ReadField(int fd);

}  // namespace baton::bench
