#pragma once

#include <cstdint>
#include <vector>

#include "baton/base/dtype.h"
#include "baton/base/ids.h"
#include "baton/ops/ops.h"

namespace baton::kernels::reference {

/// Element `i` of an array of float32, float16 or bfloat16.
double LoadAt(const void* data, DType dtype, int64_t i);
/// Rounds `value` to float32 and then to `dtype`.
void StoreAt(void* data, DType dtype, int64_t i, float value);

/// Byte address of the D elements of K or V of one position of a sequence.
std::byte* KvAt(const ops::PagedKv& kv, const ops::PagedBatch& batch, int32_t s, int64_t position,
                int32_t g, bool v);
/// Element d of such a row, and all D of them.
double LoadKv(const std::byte* row, const ops::PagedKv& kv, int32_t d);
void StoreKv(std::byte* row, const ops::PagedKv& kv, const std::vector<float>& values);
/// Position of row 0 of sequence `s`.
int64_t FirstPosition(const ops::PagedBatch& batch, int32_t s);

void Embedding(const ops::EmbeddingParams& p, device::Stream& stream);
void RmsNorm(const ops::RmsNormParams& p, device::Stream& stream);
void Linear(const ops::LinearParams& p, device::Stream& stream);
void RopeKvWrite(const ops::RopeKvWriteParams& p, device::Stream& stream);
void PagedAttention(const ops::PagedAttentionParams& p, device::Stream& stream);
void SiluMul(const ops::GatedActivationParams& p, device::Stream& stream);
void GeluMul(const ops::GatedActivationParams& p, device::Stream& stream);
void SoftCap(const ops::SoftCapParams& p, device::Stream& stream);
void GatherRows(const ops::GatherRowsParams& p, device::Stream& stream);
void GatherKv(const ops::KvRunsParams& p, device::Stream& stream);
void ScatterKv(const ops::KvRunsParams& p, device::Stream& stream);
void PeerSum(const ops::PeerSumParams& p, device::Stream& stream);
void Sample(const ops::SampleParams& p, device::Stream& stream);

}  // namespace baton::kernels::reference
