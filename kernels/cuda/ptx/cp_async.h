#pragma once

#include <cstdint>

/// Copies to shared memory beside the threads. Under the emulator tests/simt/ptx/cp_async.h takes
/// this file's place.
namespace baton::kernels::cuda::ptx {

/// 16 bytes, past the first-level cache; zeros where not `valid`, and `from` is not read. Both
/// addresses are multiples of 16.
__device__ __forceinline__ void CopyAsync16(void* to_shared, const void* from, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(to_shared))), "l"(from),
                 "r"(valid ? 16 : 0)
               : "memory");
}

/// Ends a group of this thread's copies.
__device__ __forceinline__ void CommitCopies() { asm volatile("cp.async.commit_group;"); }

/// Waits until all of this thread's groups but the latest N are in shared memory, for this thread
/// to see; a barrier shows them to the others.
template <int N>
__device__ __forceinline__ void AwaitCopiesBut() {
  asm volatile("cp.async.wait_group %0;" : : "n"(N) : "memory");
}

}  // namespace baton::kernels::cuda::ptx
