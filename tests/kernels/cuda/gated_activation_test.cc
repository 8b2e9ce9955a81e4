#include "kernels/cuda/support.h"
#include "operations.h"

namespace baton::kernels::cuda {
namespace {

struct Problem {
  int64_t T = 0;
  int64_t F = 0;
  int64_t in_stride = 0;
  int64_t y_stride = 0;
};

class CudaGatedActivation : public DeviceTest {
 protected:
  using Op = void (*)(const ops::GatedActivationParams&, device::Stream&);

  /// [T, y_stride]; what is not of the output stays NaN.
  std::vector<BFloat16> Run(Op op, const Problem& shape, const std::vector<BFloat16>& gate,
                            const std::vector<BFloat16>& up) {
    const DeviceArray<BFloat16> device_gate(gate);
    const DeviceArray<BFloat16> device_up(up);
    const DeviceArray<BFloat16> y(static_cast<size_t>(shape.T * shape.y_stride));
    op({.gate = device_gate.data(),
        .up = device_up.data(),
        .y = y.data(),
        .activation = DType::kBFloat16,
        .T = shape.T,
        .F = shape.F,
        .in_stride = shape.in_stride,
        .y_stride = shape.y_stride},
       stream());
    return y.Read();
  }

  std::vector<float> Exact(Op op, const Problem& shape, const std::vector<BFloat16>& gate,
                           const std::vector<BFloat16>& up) {
    const std::vector<float> wide_gate = ToFloats(gate);
    const std::vector<float> wide_up = ToFloats(up);
    std::vector<float> y(static_cast<size_t>(shape.T * shape.F));
    op({.gate = wide_gate.data(),
        .up = wide_up.data(),
        .y = y.data(),
        .T = shape.T,
        .F = shape.F,
        .in_stride = shape.in_stride,
        .y_stride = shape.F},
       host_stream_);
    return y;
  }
};

constexpr Problem kProblems[] = {
    {1, 1, 1, 1},       {3, 7, 9, 8},          {2, 8, 8, 8},
    {2, 264, 528, 264}, {1, 2056, 2056, 2064}, {3, 2047, 2047, 2047},
};

TEST_P(CudaGatedActivation, RoundsTheExactValueOnceForOddWidthsAndStrides) {
  const std::pair<Op, Op> activations[] = {{SiluMul, ReferenceOps().silu_mul},
                                           {GeluMul, ReferenceOps().gelu_mul}};
  for (const Problem& shape : kProblems) {
    const auto n = static_cast<size_t>(shape.T * shape.in_stride);
    const std::vector<BFloat16> gate = ToBFloat16s(Uniform(random_, n, -9, 9));
    const std::vector<BFloat16> up = ToBFloat16s(Uniform(random_, n, -3, 3));
    for (const auto& [op, reference] : activations) {
      SCOPED_TRACE("T " + std::to_string(shape.T) + " F " + std::to_string(shape.F));
      const std::vector<float> y = ToFloats(Run(op, shape, gate, up));
      std::vector<float> rows;
      for (int64_t i = 0; i < shape.T * shape.y_stride; ++i) {
        if (i % shape.y_stride < shape.F) {
          rows.push_back(y[static_cast<size_t>(i)]);
        } else {
          EXPECT_TRUE(std::isnan(y[static_cast<size_t>(i)])) << "a write beside the row at " << i;
        }
      }
      // A little over half a unit: float32's own error moves a few values over the middle.
      const std::vector<float> exact = Exact(reference, shape, gate, up);
      EXPECT_TRUE(WithinBFloat16(rows, exact, 0.51));
      EXPECT_TRUE(AtMostTwiceOneRounding(rows, exact));
    }
  }
}

TEST_P(CudaGatedActivation, MayWriteOverItsInput) {
  const Problem shape{2, 40, 40, 40};
  const std::vector<BFloat16> gate = ToBFloat16s(Uniform(random_, 80));
  const std::vector<BFloat16> up = ToBFloat16s(Uniform(random_, 80));
  const DeviceArray<BFloat16> y(gate);
  const DeviceArray<BFloat16> device_up(up);
  SiluMul({.gate = y.data(),
           .up = device_up.data(),
           .y = y.data(),
           .activation = DType::kBFloat16,
           .T = 2,
           .F = 40,
           .in_stride = 40,
           .y_stride = 40},
          stream());
  EXPECT_TRUE(SameBits(y.Read(), Run(SiluMul, shape, gate, up)));
}

TEST_P(CudaGatedActivation, GivesTheSameBitsTwiceAndInRowsOfAnyStride) {
  const Problem shape{3, 264, 264, 264};
  const Problem apart{3, 264, 267, 265};
  const std::vector<BFloat16> gate = ToBFloat16s(Uniform(random_, 3 * 264));
  const std::vector<BFloat16> up = ToBFloat16s(Uniform(random_, 3 * 264));
  const auto spread = [](const std::vector<BFloat16>& rows) {
    std::vector<BFloat16> far(3 * 267, BFloat16{0x7fff});
    for (size_t i = 0; i < rows.size(); ++i) far[i / 264 * 267 + i % 264] = rows[i];
    return far;
  };
  for (const Op op : {Op{SiluMul}, Op{GeluMul}}) {
    ExpectSameBitsAgain([&] { return Run(op, shape, gate, up); });
    const std::vector<BFloat16> near = Run(op, shape, gate, up);
    const std::vector<BFloat16> far = Run(op, apart, spread(gate), spread(up));
    for (size_t i = 0; i < near.size(); ++i) {
      ASSERT_EQ(far[i / 264 * 265 + i % 264].bits, near[i].bits) << i;
    }
  }
}

BATON_DEVICE_SUITE(CudaGatedActivation);

}  // namespace
}  // namespace baton::kernels::cuda
