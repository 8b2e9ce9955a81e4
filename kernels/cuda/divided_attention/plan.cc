#include "divided_attention/plan.h"

namespace baton::kernels::cuda::divided_attention {
namespace {

paged_prefill::PlanOptions LongOptions(const ops::PlanShape& shape) {
  return {.workers = kWorkers,
          .busy = MultiprocessorsOf(shape),
          .min_tokens = kLongTokens,
          .items_at = static_cast<int32_t>(kShortAt + paged_attention::PlanBytes(shape))};
}

}  // namespace

size_t PlanBytes(const ops::PlanShape& shape) {
  if (!paged_prefill::TakesShape(shape)) return kShortAt + paged_attention::PlanBytes(shape);
  return paged_prefill::PlanBytes(shape, LongOptions(shape));
}

void WritePlan(const ops::PagedBatch& batch, const ops::PlanShape& shape, std::byte* out) {
  const Division division = DivisionOf(batch, shape);
  if (division.has_long) paged_prefill::WritePlan(batch, shape, LongOptions(shape), out);
  if (division.has_short) {
    paged_attention::WritePlan(
        batch, shape,
        {.most_tokens = division.most_short_tokens(),
         .wide_blocks = paged_attention::kWideBlocks * MultiprocessorsOf(shape)},
        out + kShortAt);
  }
}

}  // namespace baton::kernels::cuda::divided_attention
