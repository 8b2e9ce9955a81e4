#include "support.h"

namespace baton::kernels {
namespace {

class SoftCap : public KernelTest {};

std::vector<float> Cap(const ops::Ops& ops, device::HostStream& stream, std::vector<float> x,
                       float cap, int64_t T) {
  ops.soft_cap({.x = x.data(), .cap = cap, .T = T, .F = static_cast<int64_t>(x.size()) / T},
               stream);
  return x;
}

TEST_P(SoftCap, AgreesWithTheReferenceForOddWidths) {
  for (const int64_t F : {1, 15, 16, 17, 33, 1000}) {
    for (const float cap : {0.5f, 30.0f}) {
      SCOPED_TRACE(F);
      const std::vector<float> x = Uniform(random_, 3 * F, -4 * cap, 4 * cap);
      ExpectClose(Cap(cpu(), stream_, x, cap, 3), Cap(reference(), stream_, x, cap, 3),
                  double{cap} / (1 << 22), 0);
    }
  }
}

TEST_P(SoftCap, EndsAtTheCapHoweverLargeTheValue) {
  const std::vector<float> y = Cap(cpu(), stream_, {-1e30f, -1e4f, 0.0f, 1e4f, 1e30f}, 30, 1);
  ExpectClose(y, {-30, -30, 0, 30, 30}, 1e-5, 0);
}

TEST_P(SoftCap, GivesTheSameBitsForAnyNumberOfThreads) {
  const std::vector<float> x = Uniform(random_, 200 * 300, -60, 60);
  const std::vector<float> expected = Cap(cpu(), stream_, x, 30, 200);
  for (const int threads : {1, 3}) {
    device::HostStream stream(threads);
    EXPECT_TRUE(SameBits(Cap(cpu(), stream, x, 30, 200), expected));
  }
}

BATON_KERNEL_SUITE(SoftCap);

}  // namespace
}  // namespace baton::kernels
