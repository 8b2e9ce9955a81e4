#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "baton/device/memory.h"
#include "baton/device/stream.h"
#include "baton/ops/linear.h"
#include "linear/gemm_library.h"
#include "linear/gemm_plans.h"

namespace baton::kernels::cuda {

/// y = x w^T + bias without a library: by WgmmaGemm where there is no bias and rows lie as it wants
/// them, else by SkinnyLinear, which reads the weights for every eight rows. Which of the two it is
/// does not depend on the number of rows, and neither do a row's bits.
void OwnLinear(const ops::LinearParams& p, device::Stream& stream);

/// What of a product the library is told; it computes only some: see LibraryTakes.
GemmProblem ProblemOf(const ops::LinearParams& p);
/// Whether types, alignment and bias are the library's: the same for any number of rows.
bool LibraryTakes(const ops::LinearParams& p);

/// Products by a library where it serves, else by our own kernels. The order of each sum depends on
/// K alone where deterministic. *Threads*: lives on the thread of its stream.
class Products {
 public:
  Products(std::unique_ptr<GemmLibrary> library, bool deterministic)
      : library_(std::move(library)),
        plans_(*library_, deterministic),
        deterministic_(deterministic) {}

  /// Chooses how a product of at most so many rows is computed. Fails, saying why, where the
  /// library is not to be used for it; OwnLinear then is. Does nothing for one that it chose for
  /// before.
  Status FixAndWait(const ops::LinearParams& widest, device::DeviceMemory& memory,
                    device::Stream& stream);

  /// Enqueues only, allocates nothing on the device; graph-safe. `native` is the stream's.
  void Enqueue(const ops::LinearParams& p, device::Stream& stream, void* native);

 private:
  const std::unique_ptr<GemmLibrary> library_;
  GemmPlans plans_;
  const bool deterministic_;
};

}  // namespace baton::kernels::cuda
