#include "simt/segfault_report.h"

#include <cstdio>

#include <unistd.h>

namespace baton::simt {
namespace {

constexpr size_t kStackBytes = 64 * 1024;

void (*tell_who)(char* text, size_t size) = nullptr;
struct sigaction former_actions[2];

}  // namespace

SegfaultReport::SegfaultReport(void (*who)(char* text, size_t size)) {
#if !defined(__SANITIZE_ADDRESS__)
  tell_who = who;
  // A fiber's own stack may be what overflowed.
  stack_ = std::make_unique<std::byte[]>(kStackBytes);
  stack_t stack{};
  stack.ss_sp = stack_.get();
  stack.ss_size = kStackBytes;
  sigaltstack(&stack, &former_stack_);
  struct sigaction action {};
  action.sa_sigaction = &Handle;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, &former_segv_);
  sigaction(SIGBUS, &action, &former_bus_);
  former_actions[0] = former_segv_;
  former_actions[1] = former_bus_;
#else
  (void)who;
#endif
}

SegfaultReport::~SegfaultReport() {
#if !defined(__SANITIZE_ADDRESS__)
  sigaction(SIGSEGV, &former_segv_, nullptr);
  sigaction(SIGBUS, &former_bus_, nullptr);
  sigaltstack(&former_stack_, nullptr);
#endif
}

void SegfaultReport::Handle(int signal, siginfo_t* info, void*) {
  char who[160] = "";
  tell_who(who, sizeof who);
  char text[256];
  const int size = std::snprintf(
      text, sizeof text, "simt: %s touched %p, which is not its memory\n", who, info->si_addr);
  if (size > 0) (void)!write(STDERR_FILENO, text, static_cast<size_t>(size));
  // The touch is repeated, and ends the process.
  sigaction(signal, &former_actions[signal == SIGSEGV ? 0 : 1], nullptr);
}

}  // namespace baton::simt
