#pragma once

#include <cstddef>

namespace baton::simt {

/// A stack and where its code stands. Switching costs some nanoseconds: no system call.
/// *Ownership*: keeps its stack for the next function to run on it.
/// *Threads*: all fibers of a process run on one thread.
class Fiber {
 public:
  static constexpr size_t kStackBytes = 256 * 1024;

  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// What the next Resume enters; whatever ran on the stack is forgotten, nothing is unwound.
  /// REQUIRES: `entry` never returns.
  void Prepare(void (*entry)());
  /// Runs the fiber until it suspends itself. REQUIRES: called outside of any fiber.
  void Resume();
  /// Returns to whoever resumed. REQUIRES: called on this fiber.
  void Suspend();

 private:
  friend void EnterFiber();

  void* mapping_ = nullptr;
  std::byte* stack_ = nullptr;
  void* stack_pointer_ = nullptr;
  void* resumer_ = nullptr;
  void (*entry_)() = nullptr;
  void* fake_stack_ = nullptr;
};

}  // namespace baton::simt
