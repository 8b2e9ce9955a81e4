#include "support.h"

namespace baton::kernels {
namespace {

class GeluMul : public KernelTest {};

std::vector<float> Activate(const ops::Ops& ops, device::HostStream& stream,
                            const std::vector<float>& gate_up, int64_t T, int64_t F) {
  std::vector<float> y = NanFilled(T * F);
  ops.gelu_mul({.gate = gate_up.data(),
                .up = gate_up.data() + F,
                .y = y.data(),
                .T = T,
                .F = F,
                .in_stride = 2 * F,
                .y_stride = F},
               stream);
  return y;
}

TEST_P(GeluMul, AgreesWithTheReferenceForOddWidths) {
  for (const int64_t F : {1, 15, 16, 17, 33, 1000}) {
    SCOPED_TRACE(F);
    const std::vector<float> gate_up = Uniform(random_, 3 * 2 * F, -30, 30);
    ExpectClose(Activate(cpu(), stream_, gate_up, 3, F),
                Activate(reference(), stream_, gate_up, 3, F), 1e-6, 2e-6);
  }
}

TEST_P(GeluMul, StaysFiniteWhereTheExponentialOverflows) {
  const std::vector<float> gate_up = {-1e12f, -200.0f, -20.0f, 20.0f, 200.0f, 1e12f,
                                      1.0f,   1.0f,    1.0f,   1.0f,  1.0f,   1.0f};
  const std::vector<float> y = Activate(cpu(), stream_, gate_up, 1, 6);
  ExpectClose({y[1], y[2]}, {0.0f, 0.0f}, 1e-30, 0);
  ExpectClose({y[3], y[4], y[5]}, {20.0f, 200.0f, 1e12f}, 0, 1e-6);
  EXPECT_TRUE(std::isfinite(y[0]));
}

TEST_P(GeluMul, MayOverwriteItsInput) {
  std::vector<float> gate_up = Uniform(random_, 2 * 50);
  const std::vector<float> expected = Activate(cpu(), stream_, gate_up, 1, 50);
  cpu().gelu_mul({.gate = gate_up.data(),
                  .up = gate_up.data() + 50,
                  .y = gate_up.data(),
                  .T = 1,
                  .F = 50,
                  .in_stride = 100,
                  .y_stride = 100},
                 stream_);
  EXPECT_TRUE(SameBits(Rows(gate_up, 0, 1, 50), expected));
}

TEST_P(GeluMul, GivesTheSameBitsForAnyNumberOfThreads) {
  const std::vector<float> gate_up = Uniform(random_, 200 * 2 * 300, -5, 5);
  const std::vector<float> expected = Activate(cpu(), stream_, gate_up, 200, 300);
  for (const int threads : {1, 3}) {
    device::HostStream stream(threads);
    EXPECT_TRUE(SameBits(Activate(cpu(), stream, gate_up, 200, 300), expected));
  }
}

BATON_KERNEL_SUITE(GeluMul);

}  // namespace
}  // namespace baton::kernels
