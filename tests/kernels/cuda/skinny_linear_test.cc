#include <span>

#include "kernels/cuda/support.h"
#include "linear/skinny.h"

namespace baton::kernels::cuda {
namespace {

/// A problem and its operands; rows of x and y lie further apart than they are long.
struct Problem {
  Problem(Random& random, int64_t rows, int64_t columns, int64_t depth, int64_t x_gap = 8)
      : T(rows), N(columns), K(depth), x_stride(depth + x_gap), y_stride(columns + 3) {
    x = ToBFloat16s(Uniform(random, static_cast<size_t>(T * x_stride)));
    w = ToBFloat16s(Uniform(random, static_cast<size_t>(N * K)));
    bias = ToBFloat16s(Uniform(random, static_cast<size_t>(N)));
  }

  ops::LinearParams Params(int64_t rows) const {
    return {.x_dtype = DType::kBFloat16,
            .w_dtype = DType::kBFloat16,
            .y_dtype = DType::kFloat32,
            .T = rows,
            .N = N,
            .K = K,
            .x_stride = x_stride,
            .y_stride = y_stride};
  }

  int64_t T, N, K, x_stride, y_stride;
  std::vector<BFloat16> x, w, bias;
};

template <typename Y>
std::vector<float> Packed(const Problem& problem, const std::vector<Y>& y) {
  std::vector<float> packed;
  for (size_t i = 0; i < y.size(); ++i) {
    float value = 0;
    if constexpr (std::is_same_v<Y, float>) {
      value = y[i];
    } else {
      value = ToFloat(y[i]);
    }
    if (static_cast<int64_t>(i) % problem.y_stride < problem.N) {
      packed.push_back(value);
    } else {
      EXPECT_TRUE(std::isnan(value)) << "a write beside the row at " << i;
    }
  }
  return packed;
}

/// Rows [begin, begin + rows) of y on the device.
template <typename Y>
std::vector<float> Compute(const Problem& problem, int64_t begin, int64_t rows, bool with_bias) {
  const DeviceArray<BFloat16> x(problem.x);
  const DeviceArray<BFloat16> w(problem.w);
  const DeviceArray<BFloat16> bias(problem.bias);
  const DeviceArray<Y> y(static_cast<size_t>(rows * problem.y_stride));
  ops::LinearParams params = problem.Params(rows);
  params.x = x.data() + begin * problem.x_stride;
  params.w = w.Constant().data();
  params.bias = with_bias ? bias.data() : nullptr;
  params.y = y.data();
  params.y_dtype = std::is_same_v<Y, float> ? DType::kFloat32 : DType::kBFloat16;
  SkinnyLinear(params, DeviceStream());
  return Packed(problem, y.Read());
}

std::vector<float> Exact(const Problem& problem, bool with_bias) {
  const std::vector<float> x = ToFloats(problem.x);
  std::vector<float> y(static_cast<size_t>(problem.T * problem.y_stride), NAN);
  ops::LinearParams params = problem.Params(problem.T);
  params.x = x.data();
  params.x_dtype = DType::kFloat32;
  params.w = problem.w.data();
  params.bias = with_bias ? problem.bias.data() : nullptr;
  params.y = y.data();
  device::HostStream stream(1);
  ReferenceOps().linear(params, stream);
  return Packed(problem, y);
}

/// A float32 sum of K products of numbers within [-1, 1] whose partial sums stay small.
double Bound(int64_t K) { return 1e-7 * static_cast<double>(K) + 1e-6; }

void ExpectNear(const std::vector<float>& actual, const std::vector<float>& exact, double bound) {
  ASSERT_EQ(actual.size(), exact.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_LE(std::abs(double{actual[i]} - exact[i]), bound) << "element " << i;
  }
}

class CudaSkinnyLinear : public DeviceTest {};

TEST_P(CudaSkinnyLinear, AgreesWithTheReferenceForOddShapes) {
  for (const int64_t K : {1, 7, 8, 31, 32, 264, 1000, 1024, 1032, 2056}) {
    for (const int64_t N : {1, 15, 17, 33}) {
      const int64_t T = 1 + (N + K) % 8;
      const Problem problem(random_, T, N, K);
      SCOPED_TRACE("T " + std::to_string(T) + " N " + std::to_string(N) + " K " +
                   std::to_string(K));
      const bool with_bias = N % 2 == 1;
      const std::vector<float> exact = Exact(problem, with_bias);
      ExpectNear(Compute<float>(problem, 0, T, with_bias), exact, Bound(K));
      const std::vector<float> rounded = Compute<BFloat16>(problem, 0, T, with_bias);
      EXPECT_TRUE(WithinBFloat16(rounded, exact, 0.51, Bound(K)));
      EXPECT_TRUE(AtMostTwiceOneRounding(rounded, exact));
    }
  }
}

TEST_P(CudaSkinnyLinear, GivesTheSameBitsWhereRowsAreNotAligned) {
  const int64_t K = 1104;
  const Problem aligned(random_, 3, 20, K, 8);
  Problem shifted(random_, 3, 20, K, 5);
  shifted.w = aligned.w;
  for (int64_t t = 0; t < 3; ++t) {
    std::copy_n(aligned.x.begin() + t * aligned.x_stride, K,
                shifted.x.begin() + t * shifted.x_stride);
  }
  EXPECT_TRUE(SameBits(Compute<float>(shifted, 0, 3, false), Compute<float>(aligned, 0, 3, false)));
}

TEST_P(CudaSkinnyLinear, GivesARowTheSameBitsForAnyNumberOfRows) {
  const Problem problem(random_, 19, 40, 1104);
  const std::vector<float> all = Compute<float>(problem, 0, problem.T, true);
  for (const int64_t rows : {1, 2, 5, 8, 9}) {
    for (const int64_t begin : {0, 3, 10}) {
      const std::vector<float> some = Compute<float>(problem, begin, rows, true);
      const std::span expected = std::span(all).subspan(static_cast<size_t>(begin * problem.N),
                                                        static_cast<size_t>(rows * problem.N));
      EXPECT_TRUE(SameBits(some, std::vector<float>(expected.begin(), expected.end())))
          << rows << " rows from " << begin;
    }
  }
}

TEST_P(CudaSkinnyLinear, GivesTheSameBitsHoweverColumnsAreDivided) {
  const Problem wide(random_, 2, 4096, 40);
  const int64_t N = 1024;
  Problem narrow(random_, 2, N, 40);
  narrow.x = wide.x;
  std::copy_n(wide.w.begin(), narrow.w.size(), narrow.w.begin());
  ASSERT_NE(ChooseSkinny(2, wide.N, 132), ChooseSkinny(2, N, 132));
  const std::vector<float> all = Compute<float>(wide, 0, 2, false);
  const std::vector<float> some = Compute<float>(narrow, 0, 2, false);
  for (int64_t n = 0; n < N; ++n) {
    ASSERT_EQ(some[static_cast<size_t>(n)], all[static_cast<size_t>(n)]) << "column " << n;
  }
}

TEST_P(CudaSkinnyLinear, GivesTheSameBitsTwice) {
  for (const int64_t K : {7, 264, 1104}) {
    const Problem problem(random_, 9, 33, K);
    ExpectSameBitsAgain([&] { return Compute<float>(problem, 0, problem.T, true); });
  }
}

TEST_P(CudaSkinnyLinear, DoesNothingForNoRows) {
  const Problem problem(random_, 1, 4, 8);
  EXPECT_TRUE(Compute<float>(problem, 0, 0, false).empty());
}

BATON_DEVICE_SUITE(CudaSkinnyLinear);

TEST(SkinnyTuning, FillsTheLastWaveOfBlocks) {
  struct Case {
    int64_t T, N;
    int32_t columns;
  };
  const Case cases[] = {
      {1, 4096, 32},    // 128 blocks, one wave of 132.
      {8, 4096, 32},    //
      {1, 6144, 16},    // 384 blocks are three waves of 16 columns, 192 are two of 32.
      {1, 1024, 16},    // Twice as many blocks at work.
      {8, 28672, 32},   // 7 waves of 32 read x half as often as 14 of 16.
      {8, 128256, 32},  //
  };
  for (const Case& c : cases) {
    EXPECT_EQ(ChooseSkinny(c.T, c.N, 132).columns, c.columns) << "T " << c.T << " N " << c.N;
  }
}

}  // namespace
}  // namespace baton::kernels::cuda
