#include "simt/fiber.h"

#include <new>

#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if !defined(__x86_64__) && !defined(__aarch64__)
#error "the switch of fibers is written for x86-64 and 64-bit Arm"
#endif

// Saves what a callee must keep, and takes up the other stack.
extern "C" void baton_simt_switch(void** save, void* load);

#if defined(__x86_64__)
asm(R"(
.text
.globl baton_simt_switch
.type baton_simt_switch, @function
baton_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size baton_simt_switch, . - baton_simt_switch
)");
#else
asm(R"(
.text
.globl baton_simt_switch
.type baton_simt_switch, %function
baton_simt_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size baton_simt_switch, . - baton_simt_switch
)");
#endif

namespace baton::simt {
namespace {

Fiber* running = nullptr;

#if defined(__SANITIZE_ADDRESS__)
const void* outer_stack = nullptr;
size_t outer_stack_bytes = 0;

void Leaving(void** fake_stack, const void* stack, size_t bytes) {
  __sanitizer_start_switch_fiber(fake_stack, stack, bytes);
}
void Arrived(void* fake_stack, const void** old_stack, size_t* old_bytes) {
  __sanitizer_finish_switch_fiber(fake_stack, old_stack, old_bytes);
}
#endif

}  // namespace

void EnterFiber() {
#if defined(__SANITIZE_ADDRESS__)
  Arrived(nullptr, &outer_stack, &outer_stack_bytes);
#endif
  running->entry_();
  __builtin_trap();
}

Fiber::Fiber() {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  mapping_ = mmap(nullptr, kStackBytes + page, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping_ == MAP_FAILED || mprotect(mapping_, page, PROT_NONE) != 0) throw std::bad_alloc();
  stack_ = static_cast<std::byte*>(mapping_) + page;
}

Fiber::~Fiber() {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  munmap(mapping_, kStackBytes + page);
}

void Fiber::Prepare(void (*entry)()) {
  entry_ = entry;
  fake_stack_ = nullptr;
#if defined(__SANITIZE_ADDRESS__)
  // Frames that nothing unwound left their marks.
  __asan_unpoison_memory_region(stack_, kStackBytes);
#endif
  auto** top = reinterpret_cast<void**>(stack_ + kStackBytes);
#if defined(__x86_64__)
  // Two words that keep the alignment a function expects, the address to return to, six registers.
  for (int i = 1; i <= 8; ++i) top[-i] = nullptr;
  top[-2] = reinterpret_cast<void*>(&EnterFiber);
  stack_pointer_ = top - 8;
#else
  for (int i = 1; i <= 20; ++i) top[-i] = nullptr;
  top[-20 + 11] = reinterpret_cast<void*>(&EnterFiber);
  stack_pointer_ = top - 20;
#endif
}

void Fiber::Resume() {
  running = this;
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack = nullptr;
  Leaving(&fake_stack, stack_, kStackBytes);
#endif
  baton_simt_switch(&resumer_, stack_pointer_);
#if defined(__SANITIZE_ADDRESS__)
  Arrived(fake_stack, nullptr, nullptr);
#endif
}

void Fiber::Suspend() {
#if defined(__SANITIZE_ADDRESS__)
  Leaving(&fake_stack_, outer_stack, outer_stack_bytes);
#endif
  baton_simt_switch(&stack_pointer_, resumer_);
#if defined(__SANITIZE_ADDRESS__)
  Arrived(fake_stack_, &outer_stack, &outer_stack_bytes);
#endif
}

}  // namespace baton::simt
