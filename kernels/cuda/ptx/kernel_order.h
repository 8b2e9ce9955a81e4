#pragma once

/// Kernels that begin before those before them on the stream have ended (LaunchEarly). Without that
/// both do nothing. Under the emulator tests/simt/ptx/kernel_order.h takes this file's place.
/// Source: PTX ISA, "griddepcontrol"; CUDA C++ Programming Guide, "Programmatic Dependent Launch".
namespace baton::kernels::cuda::ptx {

/// The kernel after this one may take what of the device is free once all blocks of this one have
/// come here: they run, so it takes no place from them.
__device__ __forceinline__ void LetNextBegin() {
  asm volatile("griddepcontrol.launch_dependents;");
}

/// Waits until the kernels before have ended, with all that they wrote. What comes before this may
/// read constants and write nothing: they may still read as well as write. Each thread of a kernel
/// that LaunchEarly launches comes here: the kernel after it waits for this one alone, and so for
/// those before it.
__device__ __forceinline__ void AwaitKernelsBefore() {
  asm volatile("griddepcontrol.wait;" : : : "memory");
}

}  // namespace baton::kernels::cuda::ptx
