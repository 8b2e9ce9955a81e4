#include "baton/base/check.h"
#include "divided_attention/plan.h"
#include "operations.h"
#include "paged_prefill/paged_prefill.h"

namespace baton::kernels::cuda {

void DividedAttention(const ops::PagedAttentionParams& p, device::Stream& stream) {
  using namespace divided_attention;
  if (p.batch.T == 0) return;
  BATON_CHECK(p.batch.plan != nullptr);
  const Division division = DivisionOf(p.batch, {.H = p.H, .G = p.kv.G, .D = p.kv.D, .P = p.kv.P});
  if (division.has_long) PagedPrefill(p, p.batch.plan, kWorkers, stream);
  if (division.has_short) {
    ops::PagedAttentionParams others = p;
    others.batch.plan = p.batch.plan + kShortAt;
    PagedAttentionOf(others, division.most_short_tokens(), stream);
  }
}

}  // namespace baton::kernels::cuda
