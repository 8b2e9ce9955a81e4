#pragma once

#include <csignal>
#include <memory>

namespace baton::simt {

/// While one lives, a touch of memory that is not mapped is told to stderr with the thread that did
/// it, before the process ends as it would have. One at a time; nothing under AddressSanitizer,
/// which tells more.
class SegfaultReport {
 public:
  /// `who` writes the running thread into `text`, of `size` bytes.
  explicit SegfaultReport(void (*who)(char* text, size_t size));
  ~SegfaultReport();
  SegfaultReport(const SegfaultReport&) = delete;
  SegfaultReport& operator=(const SegfaultReport&) = delete;

 private:
  static void Handle(int signal, siginfo_t* info, void* context);

  std::unique_ptr<std::byte[]> stack_;
  stack_t former_stack_{};
  struct sigaction former_segv_ {};
  struct sigaction former_bus_ {};
};

}  // namespace baton::simt
