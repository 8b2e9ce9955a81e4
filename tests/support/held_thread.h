#pragma once

#include <string>

#include <sys/types.h>

namespace baton::test {

/// Keeps one thread of another process from running, while the others go on: it looks like a thread
/// that waits for a device that does not answer. *Threads*: lives on one thread.
class HeldThread {
 public:
  /// The first thread of that name.
  HeldThread(pid_t process, const std::string& name);
  ~HeldThread();
  HeldThread(const HeldThread&) = delete;
  HeldThread& operator=(const HeldThread&) = delete;

  /// False where the system does not let us; see why().
  bool held() const { return why_.empty(); }
  const std::string& why() const { return why_; }

 private:
  pid_t thread_ = -1;
  std::string why_;
};

}  // namespace baton::test
