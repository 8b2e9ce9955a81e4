#include "support.h"

namespace baton::kernels {
namespace {

/// A problem and its operands; y is NaN before each run.
struct Problem {
  Problem(Random& random, int64_t rows, int64_t columns, int64_t depth, DType w_dtype,
          bool with_bias = false)
      : T(rows),
        N(columns),
        K(depth),
        dtype(w_dtype),
        x(Uniform(random, T * (K + 3))),
        w(Rounded(Uniform(random, N * K), dtype)),
        bias(with_bias ? Rounded(Uniform(random, N), dtype) : std::vector<std::byte>()) {}

  /// Rows [begin, begin + rows) through `ops`; strides are wider than the rows.
  std::vector<float> Run(const ops::Ops& ops, device::HostStream& stream, int64_t begin,
                         int64_t rows) const {
    return Multiply(ops, stream, begin, rows, w.data(), ops::Packing::kNone);
  }
  /// The same with weights that `ops` packs first.
  std::vector<float> RunPacked(const ops::Ops& ops, device::HostStream& stream, int64_t begin,
                               int64_t rows, ops::Packing packing = ops::Packing::kExact) const {
    ops::PackLinearParams params{.w = w.data(), .dtype = dtype, .packing = packing, .N = N, .K = K};
    std::vector<std::byte> memory(ops.packed_bytes(params) + 64, std::byte{0xFF});
    const auto address = reinterpret_cast<uintptr_t>(memory.data());
    params.packed = memory.data() + (64 - address % 64);
    ops.pack_linear(params, stream);
    return Multiply(ops, stream, begin, rows, params.packed, packing);
  }
  std::vector<float> Multiply(const ops::Ops& ops, device::HostStream& stream, int64_t begin,
                              int64_t rows, const std::byte* weights, ops::Packing packing) const {
    std::vector<float> y = NanFilled(rows * (N + 2));
    ops.linear({.x = x.data() + begin * (K + 3),
                .w = weights,
                .bias = bias.empty() ? nullptr : bias.data(),
                .y = y.data(),
                .w_dtype = dtype,
                .T = rows,
                .N = N,
                .K = K,
                .x_stride = K + 3,
                .y_stride = N + 2,
                .w_packing = packing},
               stream);
    std::vector<float> dense;
    for (int64_t t = 0; t < rows; ++t) {
      const auto row = y.begin() + t * (N + 2);
      EXPECT_TRUE(std::isnan(row[N])) << "wrote past row " << t;
      dense.insert(dense.end(), row, row + N);
    }
    return dense;
  }
  std::vector<float> Run(const ops::Ops& ops, device::HostStream& stream) const {
    return Run(ops, stream, 0, T);
  }

  int64_t T, N, K;
  DType dtype;
  std::vector<float> x;
  std::vector<std::byte> w;
  std::vector<std::byte> bias;
};

/// A sum of K products of numbers within [-1, 1] whose partial sums stay small.
double Bound(int64_t K) { return 1e-7 * static_cast<double>(K) + 1e-6; }

class Linear : public KernelTest {};

TEST_P(Linear, AgreesWithTheReferenceForEveryTypeAndOddShapes) {
  for (const DType dtype : kFloatTypes) {
    for (const int64_t K : {1, 15, 16, 17, 33, 64, 511, 512, 513, 1100}) {
      for (const int64_t T : {1, 2, 3, 4, 5, 11, 12, 13, 16, 17, 33}) {
        for (const int64_t N : {1, 5, 6, 7, 13}) {
          const Problem problem(random_, T, N, K, dtype, (T + N) % 2 == 0);
          SCOPED_TRACE(std::string(DTypeName(dtype)) + " T " + std::to_string(T) + " N " +
                       std::to_string(N) + " K " + std::to_string(K));
          ExpectClose(problem.Run(cpu(), stream_), problem.Run(reference(), stream_), Bound(K), 0);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST_P(Linear, AgreesWithTheReferenceOverSeveralPanels) {
  const Problem problem(random_, 257, 50, 600, DType::kBFloat16, true);
  ExpectClose(problem.Run(cpu(), stream_), problem.Run(reference(), stream_), Bound(600), 0);
}

TEST_P(Linear, ReadsWeightsAtAnyElementAlignment) {
  Problem problem(random_, 3, 7, 40, DType::kBFloat16);
  const std::vector<float> expected = problem.Run(cpu(), stream_);
  std::vector<std::byte> shifted(problem.w.size() + 2);
  std::copy(problem.w.begin(), problem.w.end(), shifted.begin() + 2);
  std::vector<float> y = NanFilled(3 * 7);
  cpu().linear({.x = problem.x.data(),
                .w = shifted.data() + 2,
                .y = y.data(),
                .w_dtype = DType::kBFloat16,
                .T = 3,
                .N = 7,
                .K = 40,
                .x_stride = 43,
                .y_stride = 7},
               stream_);
  EXPECT_TRUE(SameBits(y, expected));
}

TEST_P(Linear, ReadsSomeColumnsOfAWiderMatrixAsItReadsThemPacked) {
  for (const DType dtype : kFloatTypes) {
    const Problem problem(random_, 5, 13, 40, dtype, true);
    constexpr int64_t kFirst = 7;
    constexpr int64_t kWide = 40 + 9;
    const size_t row = 40 * DTypeBytes(dtype);
    std::vector<std::byte> wide(13 * kWide * DTypeBytes(dtype), std::byte{0xFF});
    for (size_t n = 0; n < 13; ++n) {
      std::copy_n(problem.w.begin() + static_cast<ptrdiff_t>(n * row), row,
                  wide.begin() + static_cast<ptrdiff_t>((n * kWide + kFirst) * DTypeBytes(dtype)));
    }
    for (const ops::Ops* ops : {&cpu(), &reference()}) {
      std::vector<float> y = NanFilled(5 * 13);
      ops->linear({.x = problem.x.data(),
                   .w = wide.data() + kFirst * DTypeBytes(dtype),
                   .bias = problem.bias.data(),
                   .y = y.data(),
                   .w_dtype = dtype,
                   .T = 5,
                   .N = 13,
                   .K = 40,
                   .x_stride = 43,
                   .w_stride = kWide,
                   .y_stride = 13},
                  stream_);
      EXPECT_TRUE(SameBits(y, problem.Run(*ops, stream_))) << ops->name << " " << DTypeName(dtype);
    }
  }
}

TEST_P(Linear, GivesTheSameBitsOfPackedWeights) {
  for (const DType dtype : kFloatTypes) {
    for (const int64_t K : {1, 17, 383, 384, 385, 1000}) {
      for (const int64_t N : {1, 15, 16, 17, 64, 65, 150}) {
        const Problem problem(random_, 27, N, K, dtype, N % 2 == 0);
        const std::vector<float> expected = problem.Run(cpu(), stream_);
        for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 13, 16, 17, 27}) {
          ASSERT_TRUE(
              SameBits(problem.RunPacked(cpu(), stream_, 0, rows), Rows(expected, 0, rows, N)))
              << DTypeName(dtype) << ", K " << K << ", N " << N << ", rows " << rows;
        }
      }
    }
  }
}

TEST_P(Linear, RoundsWeightsToInt8WithinHalfAStepOfTheirScale) {
  for (const DType dtype : kFloatTypes) {
    const Problem problem(random_, 4, 37, 900, dtype, true);
    const auto rounded = problem.RunPacked(cpu(), stream_, 0, 4, ops::Packing::kInt8);
    const auto exact = problem.Run(reference(), stream_);
    // Each weight is off by at most 1 / 254, as is their sum by that for each x in [-1, 1]; here by
    // much less, as they differ independently.
    ExpectClose(rounded, exact, 8 * std::sqrt(900.0) / 254 / 3, 0);
    EXPECT_FALSE(SameBits(rounded, exact));
  }
}

TEST_P(Linear, KeepsWeightsThatAreMultiplesOfTheirScale) {
  Problem problem(random_, 3, 18, 800, DType::kFloat32);
  std::vector<float> w(static_cast<size_t>(18 * 800));
  for (size_t i = 0; i < w.size(); ++i) {
    const auto step = static_cast<float>(static_cast<int>(random_.Below(255)) - 127);
    w[i] = step * 0.25f;
  }
  // In each row and block a 127, by which the scale is 0.25.
  for (size_t n = 0; n < 18; ++n) {
    for (const size_t k : {0, 384, 768}) w[n * 800 + k] = -127 * 0.25f;
  }
  problem.w = Rounded(w, DType::kFloat32);
  ExpectClose(problem.RunPacked(cpu(), stream_, 0, 3, ops::Packing::kInt8),
              problem.Run(reference(), stream_), 32 * Bound(800), 0);
}

TEST_P(Linear, GivesARowTheSameBitsAloneAndInAnyBatchWithInt8) {
  const Problem problem(random_, 60, 70, 900, DType::kBFloat16, true);
  const auto all = problem.RunPacked(cpu(), stream_, 0, 60, ops::Packing::kInt8);
  for (const int64_t rows : {1, 2, 3, 4, 6, 7, 16, 17, 33, 49}) {
    EXPECT_TRUE(SameBits(problem.RunPacked(cpu(), stream_, 5, rows, ops::Packing::kInt8),
                         Rows(all, 5, rows, 70)))
        << rows;
  }
}

/// Rows of a matrix with each piece of 384 elements rounded to eight bits by its scale.
std::vector<float> RoundedToInt8(const std::vector<float>& rows, int64_t depth, int64_t stride) {
  std::vector<float> result = rows;
  for (size_t row = 0; row < rows.size(); row += static_cast<size_t>(stride)) {
    for (int64_t begin = 0; begin < depth; begin += 384) {
      const int64_t end = std::min<int64_t>(begin + 384, depth);
      float most = 0;
      for (int64_t k = begin; k < end; ++k) {
        most = std::max(most, std::abs(rows[row + static_cast<size_t>(k)]));
      }
      for (int64_t k = begin; k < end && most > 0; ++k) {
        float& value = result[row + static_cast<size_t>(k)];
        value = std::nearbyint(value * (127 / most)) * (most / 127);
      }
    }
  }
  return result;
}

void RoundToBFloat16(std::vector<std::byte>& floats) {
  for (size_t i = 0; i < floats.size(); i += sizeof(float)) {
    float value;
    std::memcpy(&value, &floats[i], sizeof value);
    value = ToFloat(ToBFloat16(value));
    std::memcpy(&floats[i], &value, sizeof value);
  }
}

TEST_P(Linear, AgreesWithTheReferenceOfRoundedOperandsWithW8A8) {
  for (const int64_t K : {1, 2, 17, 383, 384, 385, 900}) {
    for (const int64_t N : {1, 16, 37}) {
      Problem problem(random_, 13, N, K, DType::kFloat32, N == 37);
      for (const int64_t rows : {1, 2, 5, 6, 7, 13}) {
        const auto actual = problem.RunPacked(cpu(), stream_, 0, rows, ops::Packing::kW8A8);
        Problem rounded = problem;
        std::vector<float> w(static_cast<size_t>(N * K));
        std::memcpy(w.data(), problem.w.data(), w.size() * sizeof(float));
        rounded.w = Rounded(RoundedToInt8(w, K, K), DType::kFloat32);
        rounded.x = RoundedToInt8(problem.x, K, K + 3);
        SCOPED_TRACE("K " + std::to_string(K) + " N " + std::to_string(N) + " rows " +
                     std::to_string(rows));
        ExpectClose(actual, rounded.Run(reference(), stream_, 0, rows), Bound(K), 1e-6);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(Linear, SumsTheLargestOperandsExactlyWithW8A8) {
  Problem problem(random_, 3, 18, 768, DType::kFloat32);
  problem.w = Rounded(std::vector<float>(18 * 768, -127.0f), DType::kFloat32);
  std::fill(problem.x.begin(), problem.x.end(), 127.0f);
  for (const float y : problem.RunPacked(cpu(), stream_, 0, 3, ops::Packing::kW8A8)) {
    ASSERT_EQ(y, -127.0f * 127.0f * 768.0f);
  }
}

TEST_P(Linear, GivesTheBitsOfEveryInstructionSetWithW8A8) {
  const Problem problem(random_, 40, 70, 901, DType::kBFloat16, true);
  EXPECT_TRUE(
      SameBits(problem.RunPacked(cpu(), stream_, 0, 40, ops::Packing::kW8A8),
               problem.RunPacked(**CpuOpsFor("portable"), stream_, 0, 40, ops::Packing::kW8A8)));
}

TEST_P(Linear, GivesARowTheSameBitsInAnyBatchAndOnAnyThreadsWithW8A8) {
  const Problem problem(random_, 401, 70, 901, DType::kBFloat16, true);
  const auto all = problem.RunPacked(cpu(), stream_, 0, 401, ops::Packing::kW8A8);
  for (const int threads : {1, 3}) {
    device::HostStream stream(threads);
    for (const int64_t rows : {1, 2, 6, 7, 16, 200}) {
      EXPECT_TRUE(SameBits(problem.RunPacked(cpu(), stream, 190, rows, ops::Packing::kW8A8),
                           Rows(all, 190, rows, 70)))
          << rows << " rows, " << threads << " threads";
    }
  }
}

TEST_P(Linear, AgreesWithTheReferenceOfRoundedOperandsWithW16A16) {
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    for (const int64_t K : {1, 2, 17, 31, 383, 384, 385, 900}) {
      for (const int64_t N : {1, 16, 37, 64}) {
        const Problem problem(random_, 13, N, K, dtype, N == 37);
        Problem rounded = problem;
        if (dtype == DType::kFloat32) RoundToBFloat16(rounded.w);
        for (float& x : rounded.x) x = ToFloat(ToBFloat16(x));
        for (const int64_t rows : {1, 2, 5, 6, 7, 13}) {
          const auto actual = problem.RunPacked(cpu(), stream_, 0, rows, ops::Packing::kW16A16);
          SCOPED_TRACE("K " + std::to_string(K) + " N " + std::to_string(N) + " rows " +
                       std::to_string(rows));
          ExpectClose(actual, rounded.Run(reference(), stream_, 0, rows), Bound(K), 0);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST_P(Linear, GivesTheBitsOfEveryInstructionSetButTilesWithW16A16) {
  if (GetParam() == "amx") GTEST_SKIP() << "tiles sum in an order of their own";
  for (const DType dtype : kFloatTypes) {
    const Problem problem(random_, 40, 70, 901, dtype, true);
    EXPECT_TRUE(
        SameBits(problem.RunPacked(cpu(), stream_, 0, 40, ops::Packing::kW16A16),
                 problem.RunPacked(**CpuOpsFor("portable"), stream_, 0, 40, ops::Packing::kW16A16)))
        << DTypeName(dtype);
  }
}

TEST_P(Linear, GivesARowTheSameBitsInAnyBatchAndOnAnyThreadsWithW16A16) {
  const Problem problem(random_, 401, 70, 901, DType::kBFloat16, true);
  const auto all = problem.RunPacked(cpu(), stream_, 0, 401, ops::Packing::kW16A16);
  for (const int threads : {1, 3}) {
    device::HostStream stream(threads);
    for (const int64_t rows : {1, 2, 6, 7, 12, 16, 200}) {
      EXPECT_TRUE(SameBits(problem.RunPacked(cpu(), stream, 190, rows, ops::Packing::kW16A16),
                           Rows(all, 190, rows, 70)))
          << rows << " rows, " << threads << " threads";
    }
  }
}

/// Root of the mean square of what y is off by, over that of y.
double RelativeError(const std::vector<float>& y, const std::vector<float>& expected) {
  double errors = 0, squares = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    errors += std::pow(double{y[i]} - expected[i], 2);
    squares += std::pow(double{expected[i]}, 2);
  }
  return std::sqrt(errors / squares);
}

TEST_P(Linear, LosesNoBitsOfExactActivations) {
  for (const int64_t K : {1, 32, 384, 2048, 14336}) {
    const Problem problem(random_, 33, 48, K, DType::kBFloat16);
    EXPECT_LT(
        RelativeError(problem.RunPacked(cpu(), stream_, 0, 33), problem.Run(reference(), stream_)),
        5e-7)
        << "K " << K;
  }
}

TEST_P(Linear, TakesActivationsOfAnyMagnitude) {
  Problem problem(random_, 2, 17, 40, DType::kBFloat16);
  std::fill(problem.x.begin(), problem.x.end(), 0.0f);
  constexpr float kLargest = std::numeric_limits<float>::max();
  for (const float magnitude : {kLargest, 1e30f, 1e-20f, 1e-30f, 1e-37f, 1e-40f}) {
    problem.x[3] = magnitude;
    // Parts of a number and products below the smallest normal may count as zero.
    ExpectClose(problem.RunPacked(cpu(), stream_, 0, 1), problem.Run(reference(), stream_, 0, 1),
                3 * double{std::numeric_limits<float>::min()}, 3e-7);
  }
}

TEST_P(Linear, KeepsWhatIsNotFinite) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  float late_nan;  // Its upper half is that of infinity.
  const uint32_t bits = 0x7F800001;
  std::memcpy(&late_nan, &bits, sizeof late_nan);
  for (const ops::Packing packing :
       {ops::Packing::kNone, ops::Packing::kExact, ops::Packing::kW16A16}) {
    for (const float value : {kInfinity, -kInfinity, kNan, late_nan}) {
      Problem problem(random_, 20, 17, 40, DType::kBFloat16);
      problem.w = Rounded(std::vector<float>(17 * 40, 0.5f), DType::kBFloat16);
      problem.x[43 * 18 + 5] = value;
      const auto y = packing == ops::Packing::kNone
                         ? problem.Run(cpu(), stream_)
                         : problem.RunPacked(cpu(), stream_, 0, 20, packing);
      for (size_t i = 0; i < y.size(); ++i) {
        const bool is_hit = i / 17 == 18;
        ASSERT_EQ(std::isfinite(y[i]), !is_hit) << value << ", element " << i;
        if (!is_hit) continue;
        ASSERT_TRUE(std::isnan(value) ? std::isnan(y[i]) : y[i] == value) << y[i];
      }
    }
  }
}

TEST_P(Linear, GivesARowTheSameBitsInAnyRowBlock) {
  const Problem problem(random_, 401, 70, 500, DType::kBFloat16, true);
  const std::vector<float> all = problem.RunPacked(cpu(), stream_, 0, problem.T);
  for (const int64_t begin : {0, 191, 192, 255, 256, 399}) {
    EXPECT_TRUE(SameBits(problem.RunPacked(cpu(), stream_, begin, 2), Rows(all, begin, 2, 70)))
        << "from row " << begin;
  }
}

TEST_P(Linear, GivesARowTheSameBitsAloneAndInAnyBatchOverManyBlocks) {
  const Problem problem(random_, 70, 40, 4000, DType::kBFloat16, true);
  for (const ops::Packing packing :
       {ops::Packing::kExact, ops::Packing::kInt8, ops::Packing::kW8A8, ops::Packing::kW16A16}) {
    const auto all = problem.RunPacked(cpu(), stream_, 0, 70, packing);
    for (const int64_t rows : {1, 16, 17, 48}) {
      EXPECT_TRUE(
          SameBits(problem.RunPacked(cpu(), stream_, 11, rows, packing), Rows(all, 11, rows, 40)))
          << rows;
    }
  }
}

TEST_P(Linear, GivesTheSameBitsTwice) {
  const Problem problem(random_, 20, 100, 700, DType::kFloat16);
  EXPECT_TRUE(SameBits(problem.Run(cpu(), stream_), problem.Run(cpu(), stream_)));
}

TEST_P(Linear, GivesARowTheSameBitsAloneAndInAnyBatch) {
  for (const DType dtype : kFloatTypes) {
    const Problem problem(random_, 150, 31, 1030, dtype, true);
    const std::vector<float> all = problem.Run(cpu(), stream_);
    for (const int64_t rows : {1, 3, 4, 11, 12, 70}) {
      for (int64_t begin = 0; begin + rows <= problem.T; begin += 37) {
        EXPECT_TRUE(
            SameBits(problem.Run(cpu(), stream_, begin, rows), Rows(all, begin, rows, problem.N)))
            << DTypeName(dtype) << ", rows " << begin << " to " << begin + rows;
      }
    }
  }
}

TEST_P(Linear, GivesTheSameBitsForAnyNumberOfThreads) {
  for (const int64_t T : {1, 64}) {
    const Problem problem(random_, T, 1001, 2048, DType::kBFloat16);
    const std::vector<float> expected = problem.Run(cpu(), stream_);
    for (const int threads : {1, 2, 3}) {
      device::HostStream stream(threads);
      EXPECT_TRUE(SameBits(problem.Run(cpu(), stream), expected)) << threads << " threads";
    }
  }
}

TEST_P(Linear, DoesNothingForNoRows) {
  const Problem problem(random_, 1, 4, 4, DType::kFloat32);
  EXPECT_TRUE(problem.Run(cpu(), stream_, 0, 0).empty());
}

BATON_KERNEL_SUITE(Linear);

/// What a tile's instruction is documented to do with 32 elements of K: pairs' first elements and
/// second ones are summed by themselves, from zero, each in order.
float SumOfStep(const float* x, const float* w) {
  float sums[2] = {0, 0};
  for (int k = 0; k < 32; ++k) sums[k % 2] = std::fma(x[k], w[k], sums[k % 2]);
  return sums[0] + sums[1];
}

TEST(LinearAcrossInstructionSets, TilesSumAsTheirInstructionIsDocumented) {
  const auto amx = CpuOpsFor("amx");
  if (!amx.ok()) GTEST_SKIP() << "this host has no AMX";
  device::HostStream stream(1);
  Random random(1);
  const Problem problem(random, 18, 17, 384, DType::kBFloat16);
  const auto y = problem.RunPacked(**amx, stream, 0, 18, ops::Packing::kW16A16);
  for (size_t t = 0; t < 18; ++t) {
    for (size_t n = 0; n < 17; ++n) {
      float x[384], w[384];
      for (size_t k = 0; k < 384; ++k) {
        BFloat16 weight;
        std::memcpy(&weight, &problem.w[(n * 384 + k) * sizeof weight], sizeof weight);
        x[k] = ToFloat(ToBFloat16(problem.x[t * 387 + k]));
        w[k] = ToFloat(weight);
      }
      float sum = 0;
      for (int k = 0; k < 384; k += 32) sum += SumOfStep(x + k, w + k);
      ASSERT_EQ(y[t * 17 + n], sum) << t << ", " << n;
    }
  }
}

TEST(LinearAcrossInstructionSets, Avx2AndAvx512GiveTheSameBits) {
  const auto avx512 = CpuOpsFor("avx512");
  const auto avx2 = CpuOpsFor("avx2");
  if (!avx512.ok() || !avx2.ok()) GTEST_SKIP() << "this host lacks one of them";
  device::HostStream stream(2);
  Random random(1);
  for (const DType dtype : kFloatTypes) {
    for (const int64_t T : {1, 3, 40}) {
      const Problem problem(random, T, 29, 777, dtype, true);
      EXPECT_TRUE(SameBits(problem.Run(**avx512, stream), problem.Run(**avx2, stream)));
    }
  }
}

}  // namespace
}  // namespace baton::kernels
