#include <cstring>

#include "reference.h"

namespace baton::kernels::reference {

void GatherRows(const ops::GatherRowsParams& p, device::Stream&) {
  for (int64_t i = 0; i < p.T; ++i) {
    std::memcpy(static_cast<std::byte*>(p.y) + i * p.row_bytes,
                static_cast<const std::byte*>(p.x) + p.rows[i] * p.row_bytes,
                static_cast<size_t>(p.row_bytes));
  }
}

}  // namespace baton::kernels::reference
