#include <string>

#include <absl/synchronization/mutex.h>
#include <dlfcn.h>
#include <grpc/grpc.h>
#include <grpcpp/server.h>
#include <grpcpp/support/server_callback.h>
#include <sanitizer/tsan_interface.h>

#include "baton/base/check.h"

/// Tells ThreadSanitizer what the system's gRPC and Abseil, built without it, put in order: an
/// operation of a call comes before its completion, whatever held a call back from OnDone or
/// OnCancel before those, the calls of a server before its end, and the unlocking of a mutex before
/// its next locking. Each function takes the place of the library's of the same name, which it
/// calls. Compiled without the sanitizer itself, and linked into its builds only.
namespace {

template <typename Function>
Function* Library(const char* symbol) {
  void* const found = dlsym(RTLD_NEXT, symbol);
  BATON_CHECK(found != nullptr) << "no library has " << symbol;
  return reinterpret_cast<Function*>(found);
}

#define BATON_TEXT_OF(name) #name
#define BATON_TEXT(name) BATON_TEXT_OF(name)

/// The name of a function in Abseil's inline namespace as the linker knows it.
std::string AbslSymbol(const char* name) {
  const std::string space = BATON_TEXT(ABSL_OPTION_INLINE_NAMESPACE_NAME);
  return "_ZN4absl" + std::to_string(space.size()) + space + name;
}

template <typename Function>
Function* Abseil(const char* name) {
  return Library<Function>(AbslSymbol(name).c_str());
}

}  // namespace

extern "C" grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* ops, size_t count,
                                                 void* tag, void* reserved) {
  static const auto original = Library<decltype(grpc_call_start_batch)>(__func__);
  __tsan_release(tag);
  return original(call, ops, count, tag, reserved);
}

extern "C" grpc_call_error grpc_server_request_registered_call(
    grpc_server* server, void* method, grpc_call** call, gpr_timespec* deadline,
    grpc_metadata_array* metadata, grpc_byte_buffer** payload, grpc_completion_queue* for_call,
    grpc_completion_queue* for_notification, void* tag) {
  static const auto original = Library<decltype(grpc_server_request_registered_call)>(__func__);
  __tsan_release(tag);
  return original(server, method, call, deadline, metadata, payload, for_call, for_notification,
                  tag);
}

extern "C" grpc_event grpc_completion_queue_next(grpc_completion_queue* queue,
                                                 gpr_timespec deadline, void* reserved) {
  static const auto original = Library<decltype(grpc_completion_queue_next)>(__func__);
  const grpc_event event = original(queue, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) __tsan_acquire(event.tag);
  return event;
}

namespace grpc {

// Each call ends with the first; the second, part of a server's end, waits for all of them.
void Server::UnrefWithPossibleNotify() {
  static const auto original = Library<void(Server*)>("_ZN4grpc6Server23UnrefWithPossibleNotifyEv");
  __tsan_release(this);
  original(this);
}

void Server::UnrefAndWaitLocked() {
  static const auto original = Library<void(Server*)>("_ZN4grpc6Server18UnrefAndWaitLockedEv");
  original(this);
  __tsan_acquire(this);
}

namespace internal {

// Both are called by whoever takes one of these counts to zero, which may be code in the library,
// whose atomic operations are not seen.
void ServerCallbackCall::ScheduleOnDone(bool inline_ondone) {
  static const auto original = Library<void(ServerCallbackCall*, bool)>(
      "_ZN4grpc8internal18ServerCallbackCall14ScheduleOnDoneEb");
  __tsan_acquire(&callbacks_outstanding_);
  original(this, inline_ondone);
}

void ServerCallbackCall::CallOnCancel(ServerReactor* reactor) {
  static const auto original = Library<void(ServerCallbackCall*, ServerReactor*)>(
      "_ZN4grpc8internal18ServerCallbackCall12CallOnCancelEPNS0_13ServerReactorE");
  __tsan_acquire(&on_cancel_conditions_remaining_);
  original(this, reactor);
}

}  // namespace internal
}  // namespace grpc

namespace absl {
inline namespace ABSL_OPTION_INLINE_NAMESPACE_NAME {

void Mutex::Lock() {
  static const auto original = Abseil<void(Mutex*)>("5Mutex4LockEv");
  original(this);
  __tsan_acquire(this);
}

bool Mutex::TryLock() {
  static const auto original = Abseil<bool(Mutex*)>("5Mutex7TryLockEv");
  const bool locked = original(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::Unlock() {
  static const auto original = Abseil<void(Mutex*)>("5Mutex6UnlockEv");
  __tsan_release(this);
  original(this);
}

void CondVar::Wait(Mutex* mutex) {
  static const auto original = Abseil<void(CondVar*, Mutex*)>("7CondVar4WaitEPNS0_5MutexE");
  __tsan_release(mutex);
  original(this, mutex);
  __tsan_acquire(mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static const auto original = Abseil<bool(CondVar*, Mutex*, Duration)>(
      "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  __tsan_release(mutex);
  const bool late = original(this, mutex, timeout);
  __tsan_acquire(mutex);
  return late;
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static const auto original =
      Abseil<bool(CondVar*, Mutex*, Time)>("7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  __tsan_release(mutex);
  const bool late = original(this, mutex, deadline);
  __tsan_acquire(mutex);
  return late;
}

}  // namespace ABSL_OPTION_INLINE_NAMESPACE_NAME
}  // namespace absl
