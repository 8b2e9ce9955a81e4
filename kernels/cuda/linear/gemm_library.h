#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "baton/base/dtype.h"
#include "baton/base/status.h"

namespace baton::kernels::cuda {

/// y[M, N] = x[M, K] w[N, K]^T + bias: x, w and bias bfloat16, y bfloat16 or float32; rows of x and
/// y lie strides apart, in elements.
struct GemmProblem {
  int64_t M = 0;
  int64_t N = 0;
  int64_t K = 0;
  int64_t x_stride = 0;
  int64_t y_stride = 0;
  DType y_dtype = DType::kBFloat16;
  bool has_bias = false;
};

/// On the device.
struct GemmOperands {
  const void* x = nullptr;
  const void* w = nullptr;
  const void* bias = nullptr;
  void* y = nullptr;
};

/// One way to compute a product, as the library names it.
struct GemmAlgorithm {
  std::array<uint64_t, 8> opaque{};
  /// Blocks that share one sum over K; 1 where none do.
  int32_t split_k = 1;
  /// Whether partial sums go through memory.
  bool reduces = false;

  bool operator==(const GemmAlgorithm&) const = default;
};

/// A library of matrix products, behind which there is cuBLASLt or a test.
/// *Threads*: lives on the thread of its owner.
class GemmLibrary {
 public:
  virtual ~GemmLibrary() = default;
  /// The ways that it expects to be fastest, fastest first, at most `most`. With `whole_sums` none
  /// that is known to divide sums over K. Fails where it knows none.
  virtual Result<std::vector<GemmAlgorithm>> Candidates(const GemmProblem& problem, bool whole_sums,
                                                        int most) = 0;
  /// Whether the algorithm computes this problem.
  virtual bool Runs(const GemmProblem& problem, const GemmAlgorithm& algorithm) = 0;
  /// Enqueues only; allocates nothing on the device. `stream` is a cudaStream_t.
  virtual Status Enqueue(const GemmProblem& problem, const GemmOperands& operands,
                         const GemmAlgorithm& algorithm, void* stream) = 0;
};

}  // namespace baton::kernels::cuda
