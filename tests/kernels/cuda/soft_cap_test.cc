#include "kernels/cuda/support.h"
#include "operations.h"

namespace baton::kernels::cuda {
namespace {

constexpr float kCap = 30;

class CudaSoftCap : public DeviceTest {
 protected:
  /// Three rows of F, and what is behind them, which stays as it is.
  std::vector<float> Run(const std::vector<float>& values, int64_t F, size_t shift = 0) {
    const size_t n = values.size();
    constexpr float kAround = 100;  // That capping would change, where NaN stays NaN.
    std::vector<float> shifted(shift + n + 5, kAround);
    std::copy(values.begin(), values.end(), shifted.begin() + static_cast<int64_t>(shift));
    const DeviceArray<float> x(shifted);
    SoftCap({.x = x.data() + shift, .cap = kCap, .T = 3, .F = F}, stream());
    shifted = x.Read();
    for (size_t i = 0; i < shifted.size(); ++i) {
      const bool outside = i < shift || i >= shift + n;
      EXPECT_TRUE(!outside || shifted[i] == kAround) << "a write beside the rows at " << i;
    }
    const auto begin = shifted.begin() + static_cast<int64_t>(shift);
    return {begin, begin + static_cast<int64_t>(n)};
  }
};

TEST_P(CudaSoftCap, StaysWithinItsBoundForOddSizesAndWritesNoMore) {
  for (const int64_t F : {1, 7, 8, 2048, 2049}) {
    SCOPED_TRACE(F);
    std::vector<float> expected = Uniform(random_, static_cast<size_t>(3 * F), -200, 200);
    const std::vector<float> actual = Run(expected, F);
    ReferenceOps().soft_cap({.x = expected.data(), .cap = kCap, .T = 3, .F = F}, host_stream_);
    for (size_t i = 0; i < actual.size(); ++i) {
      ASSERT_LE(std::abs(actual[i] - expected[i]), std::ldexp(kCap, -22)) << i;
    }
  }
}

TEST_P(CudaSoftCap, GivesTheSameBitsTwiceAndWhereverRowsBegin) {
  const std::vector<float> values = Uniform(random_, 3 * 264, -200, 200);
  ExpectSameBitsAgain([&] { return Run(values, 264); });
  EXPECT_TRUE(SameBits(Run(values, 264, 1), Run(values, 264)));
}

BATON_DEVICE_SUITE(CudaSoftCap);

}  // namespace
}  // namespace baton::kernels::cuda
