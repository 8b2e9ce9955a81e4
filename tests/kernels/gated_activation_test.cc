#include "support.h"

namespace baton::kernels {
namespace {

struct Activation {
  const char* name;
  void (*ops::Ops::*apply)(const ops::GatedActivationParams&, device::Stream&);
  /// Between the reference and others, where gates are between -30 and 30.
  double absolute;
  double relative;
  /// Far enough from 0 for its exponential to over- or underflow: a and 200 give a and 200, -a and
  /// -200 give 0, up to `zero`; so does -b, which overflows just so.
  float a;
  float b;
  double zero;
};

const Activation kActivations[] = {
    {"silu", &ops::Ops::silu_mul, 1e-10, 1e-6, 1e30f, 88.5f, 1e-35},
    {"gelu", &ops::Ops::gelu_mul, 1e-6, 2e-6, 1e12f, 20.0f, 1e-30},
};

class GatedActivation : public KernelTest {
 protected:
  static std::vector<float> Apply(const Activation& activation, const ops::Ops& ops,
                                  device::HostStream& stream, const std::vector<float>& gate_up,
                                  int64_t T, int64_t F) {
    std::vector<float> y = NanFilled(T * F);
    (ops.*activation.apply)({.gate = gate_up.data(),
                             .up = gate_up.data() + F,
                             .y = y.data(),
                             .T = T,
                             .F = F,
                             .in_stride = 2 * F,
                             .y_stride = F},
                            stream);
    return y;
  }
};

TEST_P(GatedActivation, AgreesWithTheReferenceForOddWidths) {
  for (const Activation& activation : kActivations) {
    for (const int64_t F : {1, 15, 16, 17, 33, 1000}) {
      SCOPED_TRACE(activation.name + std::string(" ") + std::to_string(F));
      const std::vector<float> gate_up = Uniform(random_, 3 * 2 * F, -30, 30);
      ExpectClose(Apply(activation, cpu(), stream_, gate_up, 3, F),
                  Apply(activation, reference(), stream_, gate_up, 3, F), activation.absolute,
                  activation.relative);
    }
  }
}

TEST_P(GatedActivation, StaysFiniteWhereTheExponentialOverflows) {
  for (const Activation& activation : kActivations) {
    SCOPED_TRACE(activation.name);
    const float a = activation.a;
    const float b = activation.b;
    const std::vector<float> gate_up = {-a,   -200.0f, -b,   b,    200.0f, a,
                                        1.0f, 1.0f,    1.0f, 1.0f, 1.0f,   1.0f};
    const std::vector<float> y = Apply(activation, cpu(), stream_, gate_up, 1, 6);
    ExpectClose({y[1], y[2]}, {0.0f, 0.0f}, activation.zero, 0);
    ExpectClose({y[3], y[4], y[5]}, {b, 200.0f, a}, 0, 1e-6);
    EXPECT_TRUE(std::isfinite(y[0]));
  }
}

TEST_P(GatedActivation, MayOverwriteItsInput) {
  for (const Activation& activation : kActivations) {
    SCOPED_TRACE(activation.name);
    std::vector<float> gate_up = Uniform(random_, 2 * 50);
    const std::vector<float> expected = Apply(activation, cpu(), stream_, gate_up, 1, 50);
    (cpu().*activation.apply)({.gate = gate_up.data(),
                               .up = gate_up.data() + 50,
                               .y = gate_up.data(),
                               .T = 1,
                               .F = 50,
                               .in_stride = 100,
                               .y_stride = 100},
                              stream_);
    EXPECT_TRUE(SameBits(Rows(gate_up, 0, 1, 50), expected));
  }
}

TEST_P(GatedActivation, GivesTheSameBitsForAnyNumberOfThreads) {
  for (const Activation& activation : kActivations) {
    SCOPED_TRACE(activation.name);
    const std::vector<float> gate_up = Uniform(random_, 200 * 2 * 300, -5, 5);
    const std::vector<float> expected = Apply(activation, cpu(), stream_, gate_up, 200, 300);
    for (const int threads : {1, 3}) {
      device::HostStream stream(threads);
      EXPECT_TRUE(SameBits(Apply(activation, cpu(), stream, gate_up, 200, 300), expected));
    }
  }
}

BATON_KERNEL_SUITE(GatedActivation);

}  // namespace
}  // namespace baton::kernels
