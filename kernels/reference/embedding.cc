#include "baton/base/check.h"
#include "reference.h"

namespace baton::kernels::reference {

void Embedding(const ops::EmbeddingParams& p, device::Stream&) {
  BATON_CHECK(p.table_packing == ops::Packing::kNone);
  for (int64_t t = 0; t < p.T; ++t) {
    for (int64_t e = 0; e < p.E; ++e) {
      p.y[t * p.E + e] =
          static_cast<float>(p.scale * LoadAt(p.table, p.table_dtype, p.tokens[t] * p.E + e));
    }
  }
}

}  // namespace baton::kernels::reference
