#include <cstring>

#include "baton/base/check.h"
#include "drivers.h"

namespace baton::kernels::cpu {

void Embedding(const Isa& isa, const ops::EmbeddingParams& p, device::HostStream& stream) {
  if (p.T == 0) return;
  BATON_CHECK(p.T > 0 && p.E > 0 && p.tokens != nullptr && p.table != nullptr && p.y != nullptr);
  BATON_CHECK(ops::KeepsWeights(p.table_packing, p.table_dtype));
  const auto row_bytes = p.E * static_cast<int64_t>(DTypeBytes(p.table_dtype));
  stream.ParallelFor(p.T, GrainOf(p.E), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const TokenId token = p.tokens[t];
      BATON_CHECK(token >= 0 && token < p.V) << "token " << token;
      float* const row = p.y + t * p.E;
      if (p.table_packing == ops::Packing::kNone) {
        const auto* table = static_cast<const std::byte*>(p.table);
        isa.widen(table + token * row_bytes, p.table_dtype, row, p.E);
      } else {
        isa.unpack_row(p, token, row);
      }
      if (p.scale != 1) isa.scale(row, p.E, p.scale);
    }
  });
}

void RmsNorm(const Isa& isa, const ops::RmsNormParams& p, device::HostStream& stream) {
  if (p.T == 0) return;
  BATON_CHECK(p.T > 0 && p.E > 0 && (p.residual != nullptr || p.x != nullptr) && p.w != nullptr &&
              p.y != nullptr && p.activation == DType::kFloat32);
  stream.ParallelFor(p.T, GrainOf(2 * p.E),
                     [&](int64_t begin, int64_t end) { isa.rms_norm(p, begin, end); });
}

void SiluMul(const Isa& isa, const ops::GatedActivationParams& p, device::HostStream& stream) {
  if (p.T == 0) return;
  BATON_CHECK(p.T > 0 && p.F > 0 && p.in_stride >= p.F && p.y_stride >= p.F);
  BATON_CHECK(p.gate != nullptr && p.up != nullptr && p.y != nullptr);
  BATON_CHECK(p.activation == DType::kFloat32);
  stream.ParallelFor(p.T, GrainOf(2 * p.F),
                     [&](int64_t begin, int64_t end) { isa.silu_mul(p, begin, end); });
}

void GeluMul(const Isa& isa, const ops::GatedActivationParams& p, device::HostStream& stream) {
  if (p.T == 0) return;
  BATON_CHECK(p.T > 0 && p.F > 0 && p.in_stride >= p.F && p.y_stride >= p.F);
  BATON_CHECK(p.gate != nullptr && p.up != nullptr && p.y != nullptr);
  BATON_CHECK(p.activation == DType::kFloat32);
  stream.ParallelFor(p.T, GrainOf(2 * p.F),
                     [&](int64_t begin, int64_t end) { isa.gelu_mul(p, begin, end); });
}

void SoftCap(const Isa& isa, const ops::SoftCapParams& p, device::HostStream& stream) {
  if (p.T == 0) return;
  BATON_CHECK(p.T > 0 && p.F > 0 && p.cap > 0 && p.x != nullptr);
  stream.ParallelFor(p.T, GrainOf(2 * p.F),
                     [&](int64_t begin, int64_t end) { isa.soft_cap(p, begin, end); });
}

void GatherRows(const ops::GatherRowsParams& p, device::HostStream& stream) {
  if (p.T == 0) return;
  BATON_CHECK(p.T > 0 && p.row_bytes > 0 && p.x != nullptr && p.rows != nullptr && p.y != nullptr);
  stream.ParallelFor(p.T, GrainOf(p.row_bytes / 4), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::memcpy(static_cast<std::byte*>(p.y) + i * p.row_bytes,
                  static_cast<const std::byte*>(p.x) + p.rows[i] * p.row_bytes,
                  static_cast<size_t>(p.row_bytes));
    }
  });
}

}  // namespace baton::kernels::cpu
