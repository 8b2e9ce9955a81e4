#pragma once

#include <cstddef>
#include <cstdint>

#include "baton/ops/step_plan.h"
#include "multiprocessors.h"
#include "paged_attention/plan.h"
#include "paged_prefill/plan.h"

/// A step's attention where a row's bits may depend on its chunk: long chunks are paged_prefill's,
/// all else is paged_attention's. Made on the host once per step, the same for every layer. Pure.
namespace baton::kernels::cuda::divided_attention {

/// From so many query tokens on, a sequence is long: below, less than half of a tile of 128 rows
/// has work where no query heads share keys.
inline constexpr int32_t kLongTokens = 64;

/// Blocks of threads that have lists of long chunks. Of a stream with fewer multiprocessors the
/// last lists are empty: so a launch need not know which stream the plan was made for.
inline constexpr int32_t kWorkers = kMostMultiprocessors;

/// Which kernels a step needs, by what both the plan and a launch know: a graph keeps it.
struct Division {
  bool has_long = false;   ///< Long sequences are paged_prefill's; if not, nothing is.
  bool has_short = false;  ///< There may be others.

  constexpr int32_t most_short_tokens() const {
    return has_long ? kLongTokens - 1 : paged_attention::kAnyTokens;
  }
};

constexpr Division DivisionOf(const ops::PagedBatch& batch, const ops::PlanShape& shape) {
  // A long sequence beside others of a token each. Where others have none, it may go unseen.
  const bool has_long =
      paged_prefill::TakesShape(shape) && batch.T - (batch.S - 1) >= kLongTokens && batch.S > 0;
  return {.has_long = has_long, .has_short = !has_long || batch.S > 1};
}

/// A plan: paged_prefill's head, paged_attention's plan at kShortAt, paged_prefill's items. So a
/// launch knows where the first two are, and the first says where its items are.
inline constexpr size_t kShortAt = (paged_prefill::HeadBytes(kWorkers) + 15) / 16 * 16;

size_t PlanBytes(const ops::PlanShape& shape);
/// The part of a kernel that DivisionOf leaves out is not written.
void WritePlan(const ops::PagedBatch& batch, const ops::PlanShape& shape, std::byte* out);

}  // namespace baton::kernels::cuda::divided_attention
