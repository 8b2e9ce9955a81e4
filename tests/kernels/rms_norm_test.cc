#include "support.h"

namespace baton::kernels {
namespace {

struct Outcome {
  std::vector<float> residual;
  std::vector<float> y;
};

struct Problem {
  Problem(Random& random, int64_t rows, int64_t width, DType w_dtype)
      : T(rows),
        E(width),
        dtype(w_dtype),
        residual(Uniform(random, T * E, -3, 3)),
        delta(Uniform(random, T * E)),
        w(Rounded(Uniform(random, E, 0.5f, 1.5f), dtype)) {}

  Outcome Run(const ops::Ops& ops, device::HostStream& stream, bool with_delta = true,
              int64_t begin = 0, int64_t rows = -1) const {
    if (rows < 0) rows = T;
    Outcome outcome{.residual = Rows(residual, begin, rows, E), .y = NanFilled(rows * E)};
    ops.rms_norm({.residual = outcome.residual.data(),
                  .x = with_delta ? delta.data() + begin * E : nullptr,
                  .w = w.data(),
                  .y = outcome.y.data(),
                  .w_dtype = dtype,
                  .T = rows,
                  .E = E,
                  .eps = 1e-5f},
                 stream);
    return outcome;
  }

  int64_t T, E;
  DType dtype;
  std::vector<float> residual;
  std::vector<float> delta;
  std::vector<std::byte> w;
};

class RmsNorm : public KernelTest {};

TEST_P(RmsNorm, AgreesWithTheReferenceForEveryTypeAndOddWidths) {
  for (const DType dtype : kFloatTypes) {
    for (const int64_t E : {1, 8, 15, 16, 17, 33, 64, 288, 2049}) {
      for (const bool with_delta : {false, true}) {
        SCOPED_TRACE(std::string(DTypeName(dtype)) + " E " + std::to_string(E));
        const Problem problem(random_, 3, E, dtype);
        const Outcome actual = problem.Run(cpu(), stream_, with_delta);
        const Outcome expected = problem.Run(reference(), stream_, with_delta);
        EXPECT_TRUE(SameBits(actual.residual, expected.residual));
        ExpectClose(actual.y, expected.y, 1e-7, 1e-6);
      }
    }
  }
}

TEST_P(RmsNorm, AddsTheOffsetToItsWeights) {
  const std::vector<float> x = Uniform(random_, 2 * 33, -3, 3);
  const std::vector<float> w = Uniform(random_, 33, -0.5f, 0.5f);
  std::vector<float> shifted = w;
  for (float& weight : shifted) weight += 1;
  const auto norm = [&](const std::vector<float>& weights, float w_offset) {
    std::vector<float> y = x;
    cpu().rms_norm({.x = y.data(),
                    .w = weights.data(),
                    .y = y.data(),
                    .w_dtype = DType::kFloat32,
                    .T = 2,
                    .E = 33,
                    .w_offset = w_offset},
                   stream_);
    return y;
  };
  EXPECT_TRUE(SameBits(norm(w, 1), norm(shifted, 0)));
}

TEST_P(RmsNorm, NormalizesInPlace) {
  const Problem problem(random_, 4, 40, DType::kFloat32);
  const Outcome expected = problem.Run(cpu(), stream_, false);
  std::vector<float> x = problem.residual;
  cpu().rms_norm({.x = x.data(),
                  .w = problem.w.data(),
                  .y = x.data(),
                  .w_dtype = DType::kFloat32,
                  .T = 4,
                  .E = 40,
                  .eps = 1e-5f},
                 stream_);
  EXPECT_TRUE(SameBits(x, expected.y));
}

TEST_P(RmsNorm, GivesZerosForZerosAndNotNan) {
  Problem problem(random_, 1, 20, DType::kFloat32);
  problem.residual.assign(20, 0.0f);
  EXPECT_EQ(problem.Run(cpu(), stream_, false).y, std::vector<float>(20, 0.0f));
}

TEST_P(RmsNorm, GivesARowTheSameBitsAloneInABatchAndForAnyNumberOfThreads) {
  const Problem problem(random_, 200, 300, DType::kBFloat16);
  const Outcome all = problem.Run(cpu(), stream_);
  for (const int threads : {1, 2, 3}) {
    device::HostStream stream(threads);
    EXPECT_TRUE(SameBits(problem.Run(cpu(), stream).y, all.y)) << threads << " threads";
    EXPECT_TRUE(SameBits(problem.Run(cpu(), stream, true, 99, 1).y, Rows(all.y, 99, 1, 300)));
  }
}

BATON_KERNEL_SUITE(RmsNorm);

}  // namespace
}  // namespace baton::kernels
