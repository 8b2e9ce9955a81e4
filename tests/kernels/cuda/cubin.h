#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

/// What nvcc made of the kernels: read from the ELF images for devices inside an object or archive.
namespace baton::kernels::cuda {

struct KernelCode {
  /// Demangled, with its arguments' types.
  std::string name;
  /// Local memory of a thread: spills, arrays that are indexed at run time.
  uint32_t stack_bytes = 0;
  int registers = 0;
  /// Warpgroup matrix products, tensor copies to shared memory, warp matrix products, and
  /// asynchronous copies to shared memory, counted in the code.
  int hgmma = 0;
  int utmaldg = 0;
  int hmma = 0;
  int ldgsts = 0;
  /// Changes of how many registers a warpgroup's threads have.
  int usetmaxreg = 0;
  /// Leave for the kernel after it to begin, and waits for those before it.
  int preexit = 0;
  int acqbulk = 0;
  /// The most special functions (exponentials) from a wait for products to the next wait, with none
  /// issued in between: what runs beside products that are under way.
  int overlapped = 0;
  /// Loads from and stores to local memory.
  int local = 0;
};

/// The kernels of all uncompressed images in a file. Throws std::runtime_error on a damaged one.
std::vector<KernelCode> ReadKernelCode(const std::filesystem::path& file);

}  // namespace baton::kernels::cuda
