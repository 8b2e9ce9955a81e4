#include "linear/products.h"

#include <cstdint>
#include <optional>

#include "baton/base/check.h"
#include "linear/row_proof.h"
#include "linear/skinny.h"
#include "wgmma_gemm/wgmma_gemm.h"

namespace baton::kernels::cuda {
namespace {

/// What the library's algorithms are chosen for.
constexpr int64_t kAlignment = 16;

bool Aligned(const void* data) { return reinterpret_cast<uintptr_t>(data) % kAlignment == 0; }

/// Whether WgmmaGemm computes it: the same for any number of rows, as bits are not.
bool WgmmaTakes(const ops::LinearParams& p) {
  return p.x_dtype == DType::kBFloat16 && p.w_dtype == DType::kBFloat16 && p.bias == nullptr &&
         p.K % 8 == 0 && p.x_stride % 8 == 0 && p.w_row() % 8 == 0 && Aligned(p.x) && Aligned(p.w);
}

}  // namespace

void OwnLinear(const ops::LinearParams& p, device::Stream& stream) {
  if (!WgmmaTakes(p)) return SkinnyLinear(p, stream);
  WgmmaGemm({.a = p.x,
             .b = p.w,
             .c = p.y,
             .c_dtype = p.y_dtype,
             .M = p.T,
             .N = p.N,
             .K = p.K,
             .a_stride = p.x_stride,
             .b_stride = p.w_row(),
             .c_stride = p.y_stride},
            stream);
}

GemmProblem ProblemOf(const ops::LinearParams& p) {
  return {.M = p.T,
          .N = p.N,
          .K = p.K,
          .x_stride = p.x_stride,
          .y_stride = p.y_stride,
          .y_dtype = p.y_dtype,
          .has_bias = p.bias != nullptr};
}

bool LibraryTakes(const ops::LinearParams& p) {
  const int64_t y_bytes = static_cast<int64_t>(DTypeBytes(p.y_dtype));
  // cuBLASLt adds a bias of y's type only.
  return p.x_dtype == DType::kBFloat16 && p.w_dtype == DType::kBFloat16 &&
         (p.bias == nullptr || p.y_dtype == DType::kBFloat16) && p.K % 8 == 0 &&
         p.x_stride % 8 == 0 && p.y_stride * y_bytes % kAlignment == 0 && Aligned(p.x) &&
         Aligned(p.w) && Aligned(p.y) && Aligned(p.bias);
}

Status Products::FixAndWait(const ops::LinearParams& widest, device::DeviceMemory& memory,
                            device::Stream& stream) {
  if (!LibraryTakes(widest)) {
    return Unavailable(std::to_string(widest.N) + " x " + std::to_string(widest.K) +
                       ": not of the library's types or alignment");
  }
  const GemmOperands operands{.w = widest.w, .bias = widest.bias};
  return plans_.Fix(ProblemOf(widest), [&](const GemmTrial& trial) {
    return ProveRowsAlikeAndWait(*library_, trial, operands, memory, stream);
  });
}

void Products::Enqueue(const ops::LinearParams& p, device::Stream& stream, void* native) {
  if (p.T == 0) return;
  if (!deterministic_ && p.T <= kSkinnyRows) return SkinnyLinear(p, stream);
  std::optional<GemmAlgorithm> algorithm;
  if (LibraryTakes(p)) algorithm = plans_.For(ProblemOf(p));
  if (!algorithm.has_value()) return OwnLinear(p, stream);
  const GemmOperands operands{.x = p.x, .w = p.w, .bias = p.bias, .y = p.y};
  const Status status = library_->Enqueue(ProblemOf(p), operands, *algorithm, native);
  BATON_CHECK(status.ok()) << status.message();
}

}  // namespace baton::kernels::cuda
