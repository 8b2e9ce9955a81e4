#include "kernels/cuda/support.h"
#include "operations.h"

namespace baton::kernels::cuda {
namespace {

class CudaSoftCap : public DeviceTest {};

TEST_P(CudaSoftCap, StaysWithinItsBoundForOddSizes) {
  constexpr float kCap = 30;
  for (const int64_t F : {1, 7, 8, 2048, 2049}) {
    SCOPED_TRACE(F);
    const auto n = static_cast<size_t>(3 * F);
    std::vector<float> expected = Uniform(random_, n, -200, 200);
    const DeviceArray<float> x(expected);
    SoftCap({.x = x.data(), .cap = kCap, .T = 3, .F = F}, stream());
    ReferenceOps().soft_cap({.x = expected.data(), .cap = kCap, .T = 3, .F = F}, host_stream_);
    const std::vector<float> actual = x.Read();
    for (size_t i = 0; i < n; ++i) {
      ASSERT_LE(std::abs(actual[i] - expected[i]), std::ldexp(kCap, -22)) << i;
    }
  }
}

BATON_DEVICE_SUITE(CudaSoftCap);

}  // namespace
}  // namespace baton::kernels::cuda
