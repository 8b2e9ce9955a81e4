#include <numeric>

#include "kernels/cuda/support.h"
#include "operations.h"

namespace baton::kernels::cuda {
namespace {

/// A sequence whose last `rows` of `kv_tokens` positions are of this step.
struct Sequence {
  int32_t rows = 0;
  int32_t kv_tokens = 0;
};

struct Shape {
  const char* what;
  int32_t H, G, P, D, R;
  int64_t gap;  // elements between rows of q, and of k and v
};

constexpr Shape kShapes[] = {
    {"a head of 128", 4, 2, 16, 128, 128, 0},
    {"a part of each head", 3, 1, 16, 64, 32, 8},
    {"odd sizes", 2, 2, 3, 10, 6, 3},
    {"a head of 256", 1, 1, 32, 256, 256, 0},
};

/// Chunks that begin and end within blocks, a decode, none, and a far position.
const std::vector<Sequence> kSequences = {{5, 5}, {1, 40}, {0, 7}, {4, 21}, {1, 131072}};

/// A step and a cache for it. Each block of a sequence is one of the cache's, in mixed order.
struct Step {
  Step(Random& random, const Shape& s) : shape(s) {
    for (const Sequence& sequence : kSequences) {
      query_begin.push_back(query_begin.back() + sequence.rows);
      kv_tokens.push_back(sequence.kv_tokens);
      table_stride = std::max<int64_t>(table_stride, (sequence.kv_tokens + s.P - 1) / s.P);
    }
    // Only blocks that this step writes exist; others are ids that nothing may follow.
    tables.assign(kSequences.size() * static_cast<size_t>(table_stride), 0x7fffffff);
    for (size_t i = 0; i < kSequences.size(); ++i) {
      for (int32_t p = kSequences[i].kv_tokens - kSequences[i].rows; p < kSequences[i].kv_tokens;
           ++p) {
        int32_t& entry = tables[i * static_cast<size_t>(table_stride) + p / s.P];
        if (entry == 0x7fffffff) entry = blocks++;
      }
    }
    for (int32_t& entry : tables) {
      if (entry != 0x7fffffff) entry = blocks - 1 - entry;
    }
    const auto rows = static_cast<size_t>(T());
    q = ToBFloat16s(Uniform(random, rows * static_cast<size_t>(q_stride()), -4, 4));
    k = ToBFloat16s(Uniform(random, rows * static_cast<size_t>(kv_stride()), -4, 4));
    v = ToBFloat16s(Uniform(random, rows * static_cast<size_t>(kv_stride()), -4, 4));
    for (int i = 0; i < s.R / 2; ++i) {
      inv_freq.push_back(
          std::pow(10000.0f, -2.0f * static_cast<float>(i) / static_cast<float>(s.R)));
    }
  }

  int32_t T() const { return query_begin.back(); }
  int64_t q_stride() const { return int64_t{shape.H} * shape.D + shape.gap; }
  int64_t kv_stride() const { return int64_t{shape.G} * shape.D + shape.gap; }
  /// Of one block: K and V of this layer, between bytes of other layers.
  int64_t plane() const { return int64_t{shape.G} * shape.P * shape.D; }
  int64_t block_elements() const { return 3 * plane() + 16; }
  size_t cache_elements() const {
    return static_cast<size_t>(blocks) * static_cast<size_t>(block_elements());
  }

  ops::RopeKvWriteParams Params(DType dtype, int64_t element_bytes) const {
    return {.activation = dtype,
            .q_stride = q_stride(),
            .kv_stride = kv_stride(),
            .attention_scale = 1.25f,
            .H = shape.H,
            .R = shape.R,
            .batch = {.table_stride = table_stride,
                      .S = static_cast<int32_t>(kSequences.size()),
                      .T = T()},
            .kv = {.block_stride = block_elements() * element_bytes,
                   .v_offset = (plane() + 8) * element_bytes,
                   .dtype = dtype,
                   .G = shape.G,
                   .P = shape.P,
                   .D = shape.D}};
  }

  Shape shape;
  std::vector<int32_t> query_begin = {0};
  std::vector<int32_t> kv_tokens;
  std::vector<int32_t> tables;
  int64_t table_stride = 0;
  int32_t blocks = 0;
  std::vector<BFloat16> q, k, v;
  std::vector<float> inv_freq;
};

struct Outcome {
  std::vector<float> q, k, cache;
};

class CudaRopeKvWrite : public DeviceTest {
 protected:
  /// `extra` rows beyond those of the sequences, as a padded step has.
  Outcome Run(const Step& step, int32_t extra = 0) {
    const DeviceArray<BFloat16> q(step.q), k(step.k), v(step.v), cache(step.cache_elements());
    const DeviceArray<float> inv_freq(step.inv_freq);
    const DeviceArray<int32_t> begin(step.query_begin), tokens(step.kv_tokens), tables(step.tables);
    ops::RopeKvWriteParams p = step.Params(DType::kBFloat16, 2);
    p.q = q.data();
    p.k = k.data();
    p.v = v.data();
    p.inv_freq = inv_freq.data();
    p.batch.query_begin = begin.data();
    p.batch.kv_tokens = tokens.data();
    p.batch.block_tables = tables.data();
    p.batch.T += extra;
    p.kv.base = reinterpret_cast<std::byte*>(cache.data());
    RopeKvWrite(p, stream());
    return {.q = ToFloats(q.Read()), .k = ToFloats(k.Read()), .cache = ToFloats(cache.Read())};
  }

  /// The same in float32, unrounded.
  Outcome Exact(const Step& step) {
    Outcome exact{.q = ToFloats(step.q),
                  .k = ToFloats(step.k),
                  .cache = std::vector<float>(step.cache_elements(), NAN)};
    const std::vector<float> v = ToFloats(step.v);
    ops::RopeKvWriteParams p = step.Params(DType::kFloat32, 4);
    p.q = exact.q.data();
    p.k = exact.k.data();
    p.v = v.data();
    p.inv_freq = step.inv_freq.data();
    p.batch.query_begin = step.query_begin.data();
    p.batch.kv_tokens = step.kv_tokens.data();
    p.batch.block_tables = step.tables.data();
    p.kv.base = reinterpret_cast<std::byte*>(exact.cache.data());
    ReferenceOps().rope_kv_write(p, host_stream_);
    return exact;
  }

  /// Keeps of both what is a number in `exact`; the rest must be NaN in `actual` too.
  static void DropUnwritten(std::vector<float>& actual, std::vector<float>& exact) {
    size_t kept = 0;
    for (size_t i = 0; i < exact.size(); ++i) {
      ASSERT_EQ(std::isnan(actual[i]), std::isnan(exact[i])) << "cache element " << i;
      if (std::isnan(exact[i])) continue;
      actual[kept] = actual[i];
      exact[kept++] = exact[i];
    }
    actual.resize(kept);
    exact.resize(kept);
  }
};

TEST_P(CudaRopeKvWrite, RotatesAndWritesTheCacheWithOneRounding) {
  // A sum of two products that nearly cancel keeps the float32 error of its terms.
  constexpr double kCancelled = 4e-6;
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(shape.what);
    const Step step(random_, shape);
    Outcome actual = Run(step);
    Outcome exact = Exact(step);
    EXPECT_TRUE(WithinBFloat16(actual.q, exact.q, 0.51, kCancelled));
    EXPECT_TRUE(WithinBFloat16(actual.k, exact.k, 0.51, kCancelled));
    DropUnwritten(actual.cache, exact.cache);
    EXPECT_FALSE(exact.cache.empty());
    EXPECT_TRUE(WithinBFloat16(actual.cache, exact.cache, 0.51, kCancelled));
    EXPECT_TRUE(AtMostTwiceOneRounding(actual.q, exact.q));
    EXPECT_TRUE(AtMostTwiceOneRounding(actual.cache, exact.cache));
  }
}

TEST_P(CudaRopeKvWrite, LeavesRowsBeyondTheLastSequenceAlone) {
  const Step step(random_, kShapes[0]);
  const Outcome padded = Run(step, 3);
  const Outcome plain = Run(step);
  EXPECT_TRUE(SameBits(padded.q, plain.q));
  EXPECT_TRUE(SameBits(padded.cache, plain.cache));
}

TEST_P(CudaRopeKvWrite, GivesTheSameBitsTwice) {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(shape.what);
    const Step step(random_, shape);
    ExpectSameBitsAgain([&] { return Run(step).q; });
    ExpectSameBitsAgain([&] { return Run(step).cache; });
  }
}

TEST_P(CudaRopeKvWrite, GivesTheSameBitsInRowsOfAnyStride) {
  // Rows a few elements further apart fit no access of eight.
  Shape apart = kShapes[0];
  apart.gap = 3;
  Random one(9), other(9);
  const Step near(one, kShapes[0]);
  Step far(other, apart);
  const auto spread = [](const std::vector<BFloat16>& rows, int64_t width,
                         std::vector<BFloat16>& to) {
    for (size_t i = 0; i < rows.size(); ++i) {
      to[i / static_cast<size_t>(width) * static_cast<size_t>(width + 3) +
         i % static_cast<size_t>(width)] = rows[i];
    }
  };
  spread(near.q, near.q_stride(), far.q);
  spread(near.k, near.kv_stride(), far.k);
  spread(near.v, near.kv_stride(), far.v);
  EXPECT_TRUE(SameBits(Run(far).cache, Run(near).cache));
}

BATON_DEVICE_SUITE(CudaRopeKvWrite);

}  // namespace
}  // namespace baton::kernels::cuda
