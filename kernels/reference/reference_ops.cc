#include "baton/kernels/reference_ops.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "baton/base/check.h"
#include "reference.h"

namespace baton::kernels {
namespace reference {

double LoadAt(const void* data, DType dtype, int64_t i) {
  const auto* bytes =
      static_cast<const std::byte*>(data) + i * static_cast<int64_t>(DTypeBytes(dtype));
  float f32 = 0;
  uint16_t bits = 0;
  switch (dtype) {
    case DType::kFloat32: std::memcpy(&f32, bytes, sizeof f32); return f32;
    case DType::kFloat16: std::memcpy(&bits, bytes, sizeof bits); return ToFloat(Float16{bits});
    case DType::kBFloat16: std::memcpy(&bits, bytes, sizeof bits); return ToFloat(BFloat16{bits});
    case DType::kInt32:
    case DType::kInt8: break;
  }
  BATON_CHECK(false) << "no floating type: " << DTypeName(dtype);
  return 0;
}

void StoreAt(void* data, DType dtype, int64_t i, float value) {
  auto* bytes = static_cast<std::byte*>(data) + i * static_cast<int64_t>(DTypeBytes(dtype));
  const uint16_t bits = dtype == DType::kFloat16 ? ToFloat16(value).bits : ToBFloat16(value).bits;
  if (dtype == DType::kFloat32) {
    std::memcpy(bytes, &value, sizeof value);
  } else {
    std::memcpy(bytes, &bits, sizeof bits);
  }
}

std::byte* KvAt(const ops::PagedKv& kv, const ops::PagedBatch& batch, int32_t s, int64_t position,
                int32_t g, bool v) {
  const int64_t block = batch.block_tables[s * batch.table_stride + position / kv.P];
  const int64_t row = int64_t{g} * kv.P + position % kv.P;
  return kv.base + block * kv.block_stride + (v ? kv.v_offset : 0) + row * kv.row_bytes();
}

double LoadKv(const std::byte* row, const ops::PagedKv& kv, int32_t d) {
  if (kv.dtype != DType::kInt8) return LoadAt(row, kv.dtype, d);
  float scale = 0;
  std::memcpy(&scale, row + kv.D, sizeof scale);
  return static_cast<float>(static_cast<int8_t>(row[d])) * scale;
}

void StoreKv(std::byte* row, const ops::PagedKv& kv, const std::vector<float>& values) {
  if (kv.dtype != DType::kInt8) {
    for (int32_t d = 0; d < kv.D; ++d) StoreAt(row, kv.dtype, d, values[static_cast<size_t>(d)]);
    return;
  }
  float most = 0;
  for (const float value : values) most = std::max(most, std::abs(value));
  const float scale = most / 127;
  for (size_t d = 0; d < values.size(); ++d) {
    const float steps = most > 0 ? values[d] * (127 / most) : 0;
    row[d] = static_cast<std::byte>(static_cast<int8_t>(std::nearbyint(steps)));
  }
  std::memcpy(row + kv.D, &scale, sizeof scale);
}

int64_t FirstPosition(const ops::PagedBatch& batch, int32_t s) {
  return batch.kv_tokens[s] - (batch.query_begin[s + 1] - batch.query_begin[s]);
}

}  // namespace reference

const ops::Ops& ReferenceOps() {
  static constexpr ops::Ops kOps{
      .name = "reference",
      .peer_sum = reference::PeerSum,
      .embedding = reference::Embedding,
      .rms_norm = reference::RmsNorm,
      .linear = reference::Linear,
      .rope_kv_write = reference::RopeKvWrite,
      .paged_attention = reference::PagedAttention,
      .silu_mul = reference::SiluMul,
      .gelu_mul = reference::GeluMul,
      .soft_cap = reference::SoftCap,
      .gather_rows = reference::GatherRows,
      .gather_kv = reference::GatherKv,
      .scatter_kv = reference::ScatterKv,
      .sample = reference::Sample,
  };
  return kOps;
}

}  // namespace baton::kernels
