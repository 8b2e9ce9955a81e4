#pragma once

#include "baton/device/stream.h"
#include "baton/ops/paged_attention.h"
#include "paged_prefill/plan.h"

namespace baton::kernels::cuda {

/// Whether PagedPrefill takes these sizes, types and addresses.
bool TakesPrefill(const ops::PagedAttentionParams& p);

/// ops::PagedAttention of the sequences in `plan` (paged_prefill::WritePlan's, on the device): rows
/// of others are left as they are.
/// Shapes: as ops::PagedAttentionParams, whose formula it is. Types: q, y and the cache bfloat16;
/// scores, sums and the accumulated output float32, probabilities bfloat16. Layout: q, y and the
/// cache aligned to 16 bytes, as are the strides; D 64, 128 or 256; P of 8 or more divides 64; at
/// most 128 query heads for a KV head. Errors: none; the contract is checked (BATON_CHECK) once per
/// call. Stream: enqueues one launch of `workers` blocks, allocates nothing; graph-safe while q, y
/// and the cache stay where they are. Cost: 4 D FLOPs for each query head and (query, key) pair
/// that the mask lets through, whole tiles at its edges; bound by the tensor cores. Bytes: each
/// tile of 128 rows reads its keys and values. Accuracy: as flash attention in bfloat16; a row's
/// bits depend on the tile it falls into, and so on how its prompt was chunked: not for
/// deterministic serving. Source: Shah et al., "FlashAttention-3", 2024, sections 3.1 and 3.2.
void PagedPrefill(const ops::PagedAttentionParams& p, const std::byte* plan, int32_t workers,
                  device::Stream& stream);

}  // namespace baton::kernels::cuda
