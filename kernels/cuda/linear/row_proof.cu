#include <algorithm>
#include <string>

#include <cuda_bf16.h>

#include "launch.h"
#include "linear/row_proof.h"

namespace baton::kernels::cuda {
namespace {

/// Different rows; row m of a product is number m % kRows. Odd, so that each is at every place of a
/// tile.
constexpr int kRows = 7;
constexpr int kThreads = 256;

__device__ inline uint32_t Mixed(uint32_t x) {
  // Wang's hash: neighbours differ in all bits.
  x = (x ^ 61u) ^ (x >> 16);
  x *= 9u;
  x ^= x >> 4;
  x *= 0x27D4EB2Du;
  return x ^ (x >> 15);
}

/// x[m][k] in [-1, 1), rows m % kRows alike. Grid: rows.
__global__ void __launch_bounds__(kThreads)
    FillProofRows(__nv_bfloat16* x, int64_t K, int64_t x_stride) {
  const int64_t m = blockIdx.x;
  for (int64_t k = threadIdx.x; k < K; k += kThreads) {
    const uint32_t bits = Mixed(static_cast<uint32_t>(m % kRows * K + k));
    const float value = static_cast<float>(static_cast<int32_t>(bits >> 8) - (1 << 23));
    x[m * x_stride + k] = __float2bfloat16_rn(value * 0x1.0p-23f);
  }
}

/// Grid: rows of `elements` elements.
template <typename T>
__global__ void __launch_bounds__(kThreads) PoisonProofRows(T* y, int64_t elements) {
  for (int64_t n = threadIdx.x; n < elements; n += kThreads) {
    y[blockIdx.x * elements + n] = static_cast<T>(~T{0});
  }
}

/// Counts elements of y that differ from those of the same row alone. Grid: rows.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    CountProofErrors(const T* y, const T* alone, int64_t N, int64_t y_stride, uint32_t* errors) {
  const int64_t m = blockIdx.x;
  uint32_t differ = 0;
  for (int64_t n = threadIdx.x; n < N; n += kThreads) {
    differ += y[m * y_stride + n] != alone[m % kRows * y_stride + n] ? 1 : 0;
  }
  if (differ > 0) atomicAdd(errors, differ);
}

__global__ void ClearProofErrors(uint32_t* errors) { *errors = 0; }

/// One algorithm under test. T: an unsigned number as large as an element of y.
template <typename T>
class Proof {
 public:
  Proof(GemmLibrary& library, const GemmTrial& trial, device::Stream& stream)
      : library_(library), trial_(trial), problem_(trial.most), stream_(stream) {}

  Status Run(const GemmOperands& operands, device::DeviceMemory& memory) {
    const int64_t M = problem_.M;
    const auto x_bytes = static_cast<size_t>(std::max<int64_t>(M, kRows) * problem_.x_stride) * 2;
    const auto row_bytes = static_cast<size_t>(problem_.y_stride) * sizeof(T);
    BATON_ASSIGN_OR_RETURN(const device::Allocation x, memory.Allocate(x_bytes));
    BATON_ASSIGN_OR_RETURN(const device::Allocation y,
                           memory.Allocate(static_cast<size_t>(M) * row_bytes));
    BATON_ASSIGN_OR_RETURN(const device::Allocation alone, memory.Allocate(kRows * row_bytes));
    BATON_ASSIGN_OR_RETURN(const device::Allocation errors,
                           memory.AllocatePinned(sizeof(uint32_t)));
    auto* count = reinterpret_cast<uint32_t*>(errors.get());
    Launch(FillProofRows, Rows(std::max<int64_t>(M, kRows)), dim3(kThreads), 0, native(),
           reinterpret_cast<__nv_bfloat16*>(x.get()), problem_.K, problem_.x_stride);
    Launch(PoisonProofRows<T>, Rows(kRows), dim3(kThreads), 0, native(), Elements(alone),
           problem_.y_stride);
    GemmOperands row = operands;
    for (int b = 0; b < kRows; ++b) {
      row.x = x.get() + b * problem_.x_stride * 2;
      row.y = Elements(alone) + b * problem_.y_stride;
      BATON_RETURN_IF_ERROR(Multiply(1, row, trial_.base));
    }
    row.x = x.get();
    row.y = y.get();
    for (const int64_t rows : GemmProbes(trial_.least_rows, M)) {
      BATON_RETURN_IF_ERROR(Compare(rows, row, Elements(alone), count));
    }
    return OkStatus();
  }

 private:
  static T* Elements(const device::Allocation& allocation) {
    return reinterpret_cast<T*>(allocation.get());
  }
  static dim3 Rows(int64_t rows) { return dim3(static_cast<unsigned>(rows)); }
  cudaStream_t native() { return NativeStream(stream_); }

  Status Multiply(int64_t rows, const GemmOperands& operands, const GemmAlgorithm& algorithm) {
    GemmProblem problem = problem_;
    problem.M = rows;
    Status status = library_.Enqueue(problem, operands, algorithm, native());
    // What was enqueued reads memory that is about to be freed.
    if (!status.ok()) stream_.SynchronizeAndWait();
    return status;
  }

  Status Compare(int64_t rows, const GemmOperands& operands, const T* alone, uint32_t* errors) {
    auto* y = static_cast<T*>(operands.y);
    Launch(ClearProofErrors, dim3(1), dim3(1), 0, native(), errors);
    Launch(PoisonProofRows<T>, Rows(rows), dim3(kThreads), 0, native(), y, problem_.y_stride);
    BATON_RETURN_IF_ERROR(Multiply(rows, operands, trial_.algorithm));
    Launch(CountProofErrors<T>, Rows(rows), dim3(kThreads), 0, native(), y, alone, problem_.N,
           problem_.y_stride, errors);
    stream_.SynchronizeAndWait();
    if (*errors == 0) return OkStatus();
    return Unavailable("of " + std::to_string(rows) + " rows " + std::to_string(*errors) +
                       " elements differ from those of a row alone");
  }

  GemmLibrary& library_;
  const GemmTrial& trial_;
  const GemmProblem& problem_;
  device::Stream& stream_;
};

}  // namespace

Status ProveRowsAlikeAndWait(GemmLibrary& library, const GemmTrial& trial,
                             const GemmOperands& operands, device::DeviceMemory& memory,
                             device::Stream& stream) {
  if (trial.most.y_dtype == DType::kFloat32) {
    return Proof<uint32_t>(library, trial, stream).Run(operands, memory);
  }
  return Proof<uint16_t>(library, trial, stream).Run(operands, memory);
}

}  // namespace baton::kernels::cuda
