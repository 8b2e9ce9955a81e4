#include "paged_support.h"

namespace baton::kernels {
namespace {

struct Shape {
  DType dtype;
  int32_t H, G, P, D;
  /// 0 is D.
  int32_t R = 0;
};

struct Outcome {
  std::vector<float> q;
  std::vector<std::byte> cache;
};

/// Two sequences: one that begins, one that goes on at position 100.
class Problem {
 public:
  Problem(Random& random, const Shape& shape)
      : shape_(shape),
        width_((shape.H + 2 * shape.G) * shape.D),
        qkv_(Uniform(random, kRows * width_)) {
    if (shape_.R == 0) shape_.R = shape.D;
    for (int32_t i = 0; i < shape_.R / 2; ++i) {
      inv_freq_.push_back(
          std::pow(10000.0f, -2.0f * static_cast<float>(i) / static_cast<float>(shape.D)));
    }
  }

  const std::vector<float>& qkv() const { return qkv_; }

  Outcome Run(const ops::Ops& ops, device::HostStream& stream) const {
    TestCache cache(shape_.dtype, shape_.G, shape_.P, shape_.D, 120 / shape_.P + 4, 5);
    const TestBatch batch(
        {{.table = cache.Take(kFirst), .new_tokens = kFirst, .kv_tokens = kFirst},
         {.table = cache.Take(100 + kSecond), .new_tokens = kSecond, .kv_tokens = 100 + kSecond}});
    std::vector<float> qkv = qkv_;
    float* k = qkv.data() + shape_.H * shape_.D;
    ops.rope_kv_write({.q = qkv.data(),
                       .k = k,
                       .v = k + shape_.G * shape_.D,
                       .q_stride = width_,
                       .kv_stride = width_,
                       .inv_freq = inv_freq_.data(),
                       .attention_scale = 1.25f,
                       .H = shape_.H,
                       .R = shape_.R,
                       .batch = batch.get(),
                       .kv = cache.kv()},
                      stream);
    return {.q = qkv, .cache = cache.bytes()};
  }

 private:
  static constexpr int32_t kFirst = 9;
  static constexpr int32_t kSecond = 3;
  static constexpr int64_t kRows = kFirst + kSecond;
  Shape shape_;
  int64_t width_;
  std::vector<float> qkv_;
  std::vector<float> inv_freq_;
};

std::vector<float> Widened(const std::vector<std::byte>& bytes, DType dtype) {
  std::vector<float> values(bytes.size() / DTypeBytes(dtype));
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t bits = 0;
    if (dtype == DType::kFloat32) {
      std::memcpy(&values[i], bytes.data() + i * 4, 4);
      continue;
    }
    std::memcpy(&bits, bytes.data() + i * 2, 2);
    values[i] = dtype == DType::kFloat16 ? ToFloat(Float16{bits}) : ToFloat(BFloat16{bits});
  }
  return values;
}

class RopeKvWrite : public KernelTest {};

TEST_P(RopeKvWrite, RotatesAndWritesLikeTheReference) {
  for (const DType dtype : kFloatTypes) {
    for (const int32_t D : {2, 8, 32, 34, 64, 128}) {
      for (const int32_t P : {1, 5, 16}) {
        SCOPED_TRACE(std::string(DTypeName(dtype)) + " D " + std::to_string(D));
        const Problem problem(random_, {.dtype = dtype, .H = 6, .G = 2, .P = P, .D = D});
        const Outcome actual = problem.Run(cpu(), stream_);
        const Outcome expected = problem.Run(reference(), stream_);
        ExpectClose(actual.q, expected.q, 1e-6, 0);
        // One unit in the last place where both are written, NaN where neither is.
        const double ulp = dtype == DType::kFloat32 ? 1e-6 : dtype == DType::kFloat16 ? 1e-3 : 8e-3;
        const std::vector<float> a = Widened(actual.cache, dtype);
        const std::vector<float> b = Widened(expected.cache, dtype);
        for (size_t i = 0; i < a.size(); ++i) {
          ASSERT_EQ(std::isnan(a[i]), std::isnan(b[i])) << "element " << i;
          if (std::isnan(b[i])) continue;
          ASSERT_NEAR(a[i], b[i], 2e-6 + ulp * std::abs(b[i]));
        }
      }
    }
  }
}

TEST_P(RopeKvWrite, StoresValuesRoundedToNearest) {
  for (const DType dtype : {DType::kFloat16, DType::kBFloat16}) {
    TestCache cache(dtype, 1, 1, 16, 1, 1);
    const TestBatch batch({{.table = cache.Take(1), .new_tokens = 1, .kv_tokens = 1}});
    std::vector<float> q(16), k(16);
    const std::vector<float> v = {0.0f,   -0.0f,    1.0f,     1.00390625f, 1.01171875f, 65504.0f,
                                  1e-7f,  -3.3e4f,  0.33333f, 2.0f / 3,    -1e-3f,      5e-8f,
                                  1e-40f, 123.456f, kNan,     1.0f / 0.0f};
    const std::vector<float> inv_freq(8, 0.0f);
    cpu().rope_kv_write({.q = q.data(),
                         .k = k.data(),
                         .v = v.data(),
                         .q_stride = 16,
                         .kv_stride = 16,
                         .inv_freq = inv_freq.data(),
                         .H = 1,
                         .R = 16,
                         .batch = batch.get(),
                         .kv = cache.kv()},
                        stream_);
    const std::vector<std::byte> stored(cache.bytes().begin() + 32, cache.bytes().begin() + 64);
    EXPECT_EQ(stored, Rounded(v, dtype)) << DTypeName(dtype);
  }
}

TEST_P(RopeKvWrite, StoresInt8RowsByTheScaleOfTheirLargestElement) {
  constexpr int32_t kD = 20;
  TestCache cache(DType::kInt8, 2, 1, kD, 1, 1);
  const TestBatch batch({{.table = cache.Take(1), .new_tokens = 1, .kv_tokens = 1}});
  std::vector<float> q(2 * kD), k(2 * kD), v(2 * kD);
  // Of head 0 the scale is 0.5, of head 1 nothing is left but zeros.
  v[0] = 0.5f * -127;
  for (size_t d = 1; d < kD; ++d) v[d] = 0.5f * static_cast<float>(d) + 0.2f;
  const std::vector<float> inv_freq(kD / 2, 0.0f);
  cpu().rope_kv_write({.q = q.data(),
                       .k = k.data(),
                       .v = v.data(),
                       .q_stride = 2 * kD,
                       .kv_stride = 2 * kD,
                       .inv_freq = inv_freq.data(),
                       .H = 2,
                       .R = kD,
                       .batch = batch.get(),
                       .kv = cache.kv()},
                      stream_);
  const std::byte* row = cache.bytes().data() + cache.kv().v_offset;
  for (int head = 0; head < 2; ++head, row += cache.kv().row_bytes()) {
    float scale = kNan;
    std::memcpy(&scale, row + kD, sizeof scale);
    EXPECT_EQ(scale, head == 0 ? 0.5f : 0.0f);
    EXPECT_EQ(static_cast<int>(static_cast<int8_t>(row[0])), head == 0 ? -127 : 0);
    for (int d = 1; d < kD; ++d) {
      EXPECT_EQ(static_cast<int>(static_cast<int8_t>(row[d])), head == 0 ? d : 0) << d;
    }
  }
}

TEST_P(RopeKvWrite, LeavesWhatIsBeyondTheRotatedPart) {
  for (const int32_t R : {2, 24, 48, 96}) {
    SCOPED_TRACE(R);
    const Problem problem(random_,
                          {.dtype = DType::kFloat32, .H = 3, .G = 1, .P = 16, .D = 96, .R = R});
    const Outcome actual = problem.Run(cpu(), stream_);
    ExpectClose(actual.q, problem.Run(reference(), stream_).q, 1e-6, 0);
    const std::vector<float> before = problem.qkv();
    for (int64_t d = R; d < 96; ++d) {
      EXPECT_EQ(actual.q[static_cast<size_t>(d)], before[static_cast<size_t>(d)]);
    }
  }
}

TEST_P(RopeKvWrite, GivesTheSameBitsForAnyNumberOfThreads) {
  const Problem problem(random_, {.dtype = DType::kBFloat16, .H = 32, .G = 8, .P = 16, .D = 128});
  const Outcome expected = problem.Run(cpu(), stream_);
  for (const int threads : {1, 3}) {
    device::HostStream stream(threads);
    const Outcome actual = problem.Run(cpu(), stream);
    EXPECT_TRUE(SameBits(actual.q, expected.q));
    EXPECT_EQ(actual.cache, expected.cache);
  }
}

BATON_KERNEL_SUITE(RopeKvWrite);

}  // namespace
}  // namespace baton::kernels
