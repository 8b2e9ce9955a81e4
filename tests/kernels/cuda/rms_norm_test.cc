#include "kernels/cuda/support.h"
#include "operations.h"

namespace baton::kernels::cuda {
namespace {

struct Outcome {
  std::vector<float> residual;
  std::vector<BFloat16> y;
};

struct Problem {
  Problem(Random& random, int64_t rows, int64_t width)
      : T(rows),
        E(width),
        residual(Uniform(random, static_cast<size_t>(T * E), -3, 3)),
        x(ToBFloat16s(Uniform(random, static_cast<size_t>(T * E)))),
        w(ToBFloat16s(Uniform(random, static_cast<size_t>(E), -0.5f, 0.5f))) {}

  ops::RmsNormParams Shape() const { return {.T = T, .E = E, .eps = 1e-5f, .w_offset = 1}; }

  int64_t T, E;
  std::vector<float> residual;
  std::vector<BFloat16> x;
  std::vector<BFloat16> w;
};

/// The model's widths, those of heads, and what fits neither.
constexpr int64_t kWidths[] = {1, 8, 31, 32, 64, 80, 128, 256, 288, 2049, 4096, 8200, 16392};

class CudaRmsNorm : public DeviceTest {
 protected:
  /// Rows [begin, begin + rows).
  Outcome Run(const Problem& problem, bool with_residual, bool with_x, int64_t begin,
              int64_t rows) {
    const auto first = begin * problem.E;
    const auto last = first + rows * problem.E;
    const DeviceArray<float> residual(
        std::vector<float>(problem.residual.begin() + first, problem.residual.begin() + last));
    const DeviceArray<BFloat16> x(
        std::vector<BFloat16>(problem.x.begin() + first, problem.x.begin() + last));
    const DeviceArray<BFloat16> w(problem.w);
    const DeviceArray<BFloat16> y(static_cast<size_t>((rows + 1) * problem.E));
    ops::RmsNormParams p = problem.Shape();
    p.T = rows;
    p.residual = with_residual ? residual.data() : nullptr;
    p.x = with_x ? x.data() : nullptr;
    p.w = w.data();
    p.y = y.data();
    p.activation = DType::kBFloat16;
    RmsNorm(p, stream());
    Outcome outcome{.residual = residual.Read(), .y = y.Read()};
    for (int64_t i = rows * problem.E; i < (rows + 1) * problem.E; ++i) {
      EXPECT_EQ(outcome.y[static_cast<size_t>(i)].bits, 0xffff) << "a write behind the last row";
    }
    outcome.y.resize(static_cast<size_t>(rows * problem.E));
    return outcome;
  }

  /// y in float32, unrounded.
  std::vector<float> Exact(const Problem& problem, bool with_residual, bool with_x) {
    std::vector<float> residual = problem.residual;
    const std::vector<float> x = ToFloats(problem.x);
    std::vector<float> y(x.size());
    ops::RmsNormParams p = problem.Shape();
    p.residual = with_residual ? residual.data() : nullptr;
    p.x = with_x ? x.data() : nullptr;
    p.w = problem.w.data();
    p.y = y.data();
    ReferenceOps().rms_norm(p, host_stream_);
    return y;
  }
};

TEST_P(CudaRmsNorm, RoundsTheExactValueOnceForEveryWidth) {
  for (const int64_t E : kWidths) {
    for (const auto& [with_residual, with_x] :
         {std::pair{true, true}, std::pair{true, false}, std::pair{false, true}}) {
      SCOPED_TRACE("E " + std::to_string(E) + (with_residual ? " residual" : "") +
                   (with_x ? " x" : ""));
      const Problem problem(random_, 3, E);
      const Outcome actual = Run(problem, with_residual, with_x, 0, 3);
      const std::vector<float> exact = Exact(problem, with_residual, with_x);
      EXPECT_TRUE(WithinBFloat16(ToFloats(actual.y), exact, 0.51));
      EXPECT_TRUE(AtMostTwiceOneRounding(ToFloats(actual.y), exact));
      std::vector<float> grown = problem.residual;
      for (size_t i = 0; with_residual && with_x && i < grown.size(); ++i) {
        grown[i] += ToFloat(problem.x[i]);
      }
      EXPECT_TRUE(SameBits(actual.residual, grown)) << "the residual is not what it grew to";
    }
  }
}

TEST_P(CudaRmsNorm, GivesARowTheSameBitsAloneAndInABatch) {
  for (const int64_t E : kWidths) {
    SCOPED_TRACE(E);
    const Problem problem(random_, 5, E);
    const Outcome batch = Run(problem, true, true, 0, 5);
    for (int64_t t = 0; t < 5; ++t) {
      const Outcome alone = Run(problem, true, true, t, 1);
      EXPECT_EQ(std::memcmp(alone.y.data(), batch.y.data() + t * E,
                            static_cast<size_t>(E) * sizeof(BFloat16)),
                0)
          << "row " << t;
    }
  }
}

TEST_P(CudaRmsNorm, NormalizesHeadsInPlace) {
  for (const int64_t E : {64, 80, 128}) {
    const Problem problem(random_, 37, E);
    const DeviceArray<BFloat16> x(problem.x);
    const DeviceArray<BFloat16> w(problem.w);
    ops::RmsNormParams p = problem.Shape();
    p.x = x.data();
    p.w = w.data();
    p.y = x.data();
    p.activation = DType::kBFloat16;
    RmsNorm(p, stream());
    EXPECT_TRUE(SameBits(x.Read(), Run(problem, false, true, 0, 37).y)) << E;
  }
}

TEST_P(CudaRmsNorm, GivesTheSameBitsTwice) {
  for (const int64_t E : {128, 2049, 4096}) {
    const Problem problem(random_, 3, E);
    ExpectSameBitsAgain([&] { return Run(problem, true, true, 0, 3).y; });
    ExpectSameBitsAgain([&] { return Run(problem, true, true, 0, 3).residual; });
  }
}

BATON_DEVICE_SUITE(CudaRmsNorm);

}  // namespace
}  // namespace baton::kernels::cuda
