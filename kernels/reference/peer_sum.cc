#include "baton/base/check.h"
#include "reference.h"

namespace baton::kernels::reference {
namespace {

float Rounded(float value, DType dtype) {
  float stored = 0;
  StoreAt(&stored, dtype, 0, value);
  return static_cast<float>(LoadAt(&stored, dtype, 0));
}

}  // namespace

/// All ranks are here, so that none is waited for and no workspace is touched. In float, as each
/// addition is rounded.
void PeerSum(const ops::PeerSumParams& p, device::Stream& /*stream*/) {
  BATON_CHECK(p.rank == 0 && p.ranks_here == p.ranks && p.ranks <= ops::kMostPeers);
  for (int64_t i = 0; i < p.count; ++i) {
    std::array<float, ops::kMostPeers> v = {};
    for (size_t r = 0; r < static_cast<size_t>(p.ranks); ++r) {
      v[r] = static_cast<float>(LoadAt(p.x, p.dtype, static_cast<int64_t>(r) * p.count + i));
    }
    for (size_t distance = 1; distance < static_cast<size_t>(p.ranks); distance *= 2) {
      for (size_t r = 0; r < static_cast<size_t>(p.ranks); r += 2 * distance) {
        v[r] = Rounded(v[r] + v[r + distance], p.dtype);
      }
    }
    for (int32_t r = 0; r < p.ranks; ++r) StoreAt(p.x, p.dtype, r * p.count + i, v[0]);
  }
}

}  // namespace baton::kernels::reference
