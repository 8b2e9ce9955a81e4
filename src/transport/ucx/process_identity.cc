#include "process_identity.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <unistd.h>

namespace baton::transport {
namespace {

std::string ReadLink(const char* path) {
  char target[128];
  const ssize_t bytes = readlink(path, target, sizeof(target));
  return bytes > 0 ? std::string(target, static_cast<size_t>(bytes)) : std::string();
}

struct ProcessStat {
  char state = 0;
  uint64_t start_time = 0;
};

/// Fields 3 and 22 of /proc/<pid>/stat; state 0 when there is no such process.
ProcessStat ReadStat(int32_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return {};
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream fields(line.substr(name_end + 1));
  ProcessStat stat;
  fields >> stat.state;
  std::string skipped;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  fields >> stat.start_time;
  return stat;
}

/// A process whose first thread has ended may still run others.
bool HasOneThread(int32_t pid) {
  std::error_code error;
  std::filesystem::directory_iterator threads("/proc/" + std::to_string(pid) + "/task", error);
  return error || std::distance(threads, {}) <= 1;
}

}  // namespace

ProcessIdentity ProcessIdentity::Own() {
  ProcessIdentity own;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> own.boot_id;
  own.ipc_namespace = ReadLink("/proc/self/ns/ipc");
  own.pid_namespace = ReadLink("/proc/self/ns/pid");
  own.pid = getpid();
  own.start_time = ReadStat(own.pid).start_time;
  return own;
}

bool ProcessIdentity::HasEnded() const {
  const ProcessStat stat = ReadStat(pid);
  if (stat.state == 0 || stat.start_time != start_time) return true;
  return (stat.state == 'Z' || stat.state == 'X') && HasOneThread(pid);
}

}  // namespace baton::transport
