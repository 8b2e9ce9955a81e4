#pragma once

#include "baton/ops/ops.h"

/// The operations one by one. Each checks its contract, enqueues on the stream (a CudaStream; under
/// the emulator any) and returns; none allocates, all are graph-safe.
namespace baton::kernels::cuda {

void Embedding(const ops::EmbeddingParams& p, device::Stream& stream);
void RmsNorm(const ops::RmsNormParams& p, device::Stream& stream);
void PagedAttention(const ops::PagedAttentionParams& p, device::Stream& stream);
/// Of a plan whose sequences have at most so many query tokens; rows of others are left as they
/// are.
void PagedAttentionOf(const ops::PagedAttentionParams& p, int32_t most_tokens,
                      device::Stream& stream);
/// Of a plan of divided_attention, which uses both attentions.
void DividedAttention(const ops::PagedAttentionParams& p, device::Stream& stream);
void RopeKvWrite(const ops::RopeKvWriteParams& p, device::Stream& stream);
void Linear(const ops::LinearParams& p, device::Stream& stream);
void SiluMul(const ops::GatedActivationParams& p, device::Stream& stream);
void GeluMul(const ops::GatedActivationParams& p, device::Stream& stream);
void SoftCap(const ops::SoftCapParams& p, device::Stream& stream);
void GatherRows(const ops::GatherRowsParams& p, device::Stream& stream);
void PeerSum(const ops::PeerSumParams& p, device::Stream& stream);
void GatherKv(const ops::KvRunsParams& p, device::Stream& stream);
void ScatterKv(const ops::KvRunsParams& p, device::Stream& stream);

/// Rows are planned by PlanSample; rows' lists are not read here.
size_t SamplePlanBytes(const ops::SampleRow* rows, int64_t R, int64_t V);
ops::SamplePlan PlanSample(const ops::SampleRow* rows, int64_t R, int64_t V, std::byte* out);
size_t SampleScratchBytes(int64_t R, int64_t V);
void Sample(const ops::SampleParams& p, device::Stream& stream);

}  // namespace baton::kernels::cuda
