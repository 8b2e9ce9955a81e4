#include <algorithm>
#include <numeric>

#include "baton/base/units.h"
#include "kernels/cuda/support.h"
#include "operations.h"
#include "paged_attention/plan.h"

namespace baton::kernels::cuda {
namespace {

struct Shape {
  int32_t H = 2, G = 1, P = 16, D = 32;
  int32_t window = 0;
  float softcap = 0;
};

float ScaleOf(const Shape& shape) { return 1.3f / std::sqrt(static_cast<float>(shape.D)); }

/// Queries, keys and values of all positions of a sequence, as the device has them.
struct Content {
  Content(Random& random, const Shape& shape, int32_t length)
      : tokens(length),
        q(Draw(random, shape.H * shape.D, 2)),
        k(Draw(random, shape.G * shape.D, 2)),
        v(Draw(random, shape.G * shape.D, 1)) {}

  std::vector<BFloat16> Draw(Random& random, int32_t width, float range) const {
    return ToBFloat16s(
        Uniform(random, static_cast<size_t>(tokens) * static_cast<size_t>(width), -range, range));
  }

  int32_t tokens;
  std::vector<BFloat16> q, k, v;
};

/// A sequence's part of a step: positions [begin, begin + tokens), all before them cached.
struct Part {
  const Content* content = nullptr;
  int32_t begin = 0;
  int32_t tokens = 0;
};

/// A step: batch arrays and a cache in which everything that no row may see is NaN.
struct Step {
  Step(const Shape& of, const std::vector<Part>& of_parts, uint64_t seed)
      : shape(of), parts(of_parts) {
    for (const Part& part : parts) {
      query_begin.push_back(query_begin.back() + part.tokens);
      kv_tokens.push_back(part.begin + part.tokens);
      table_stride = std::max<int64_t>(table_stride, CeilDiv(kv_tokens.back(), shape.P));
      blocks += CeilDiv(kv_tokens.back(), shape.P);
    }
    std::vector<int32_t> ids(static_cast<size_t>(blocks) + 3);
    std::iota(ids.begin(), ids.end(), 0);
    Random random(seed);
    for (size_t i = ids.size(); i > 1; --i) std::swap(ids[i - 1], ids[random.Below(i)]);
    cache.assign(ids.size() * static_cast<size_t>(BlockElements()), BFloat16{0x7FFF});
    tables.assign(parts.size() * static_cast<size_t>(table_stride), 0x7fffffff);
    for (size_t s = 0; s < parts.size(); ++s) Fill(s, ids);
  }

  int64_t Plane() const { return int64_t{shape.G} * shape.P * shape.D; }
  /// Between K and V lies something else, as between layers.
  int64_t BlockElements() const { return 3 * Plane(); }
  int64_t width() const { return int64_t{shape.H} * shape.D; }
  /// Rows of q lie apart: they are columns of a wider matrix.
  int64_t q_stride() const { return width() + 8; }

  void Fill(size_t s, std::vector<int32_t>& ids) {
    const Part& part = parts[s];
    for (int32_t p = 0; p < kv_tokens[s]; ++p) {
      int32_t& block = tables[s * static_cast<size_t>(table_stride) + p / shape.P];
      if (p % shape.P == 0) {
        block = ids.back();
        ids.pop_back();
      }
      for (int32_t g = 0; g < shape.G; ++g) {
        const auto from = static_cast<size_t>((p * shape.G + g) * shape.D);
        const auto to =
            static_cast<size_t>(block * BlockElements() + (g * shape.P + p % shape.P) * shape.D);
        std::copy_n(&part.content->k[from], shape.D, &cache[to]);
        std::copy_n(&part.content->v[from], shape.D, &cache[to + 2 * Plane()]);
      }
    }
    for (int32_t t = 0; t < part.tokens; ++t) {
      const auto from = part.content->q.begin() + (part.begin + t) * width();
      q.insert(q.end(), from, from + width());
      q.resize(q.size() + 8, BFloat16{0x7FFF});
    }
  }

  ops::PagedAttentionParams Params(int64_t element_bytes, DType activation) const {
    return {.activation = activation,
            .q_stride = q_stride(),
            .H = shape.H,
            .scale = ScaleOf(shape),
            .window = shape.window,
            .softcap = shape.softcap,
            .batch = {.query_begin = query_begin.data(),
                      .kv_tokens = kv_tokens.data(),
                      .block_tables = tables.data(),
                      .table_stride = table_stride,
                      .S = static_cast<int32_t>(parts.size()),
                      .T = query_begin.back()},
            .kv = {.block_stride = BlockElements() * element_bytes,
                   .v_offset = 2 * Plane() * element_bytes,
                   .dtype = DType::kBFloat16,
                   .G = shape.G,
                   .P = shape.P,
                   .D = shape.D}};
  }

  Shape shape;
  std::vector<Part> parts;
  std::vector<int32_t> query_begin = {0};
  std::vector<int32_t> kv_tokens;
  std::vector<int32_t> tables;
  int64_t table_stride = 0;
  int32_t blocks = 0;
  std::vector<BFloat16> q;
  std::vector<BFloat16> cache;
};

class CudaPagedAttention : public DeviceTest {
 protected:
  /// `extra` rows beyond those of the sequences, as a padded step has.
  std::vector<BFloat16> Run(const Shape& shape, const std::vector<Part>& parts, uint64_t seed = 1,
                            const paged_attention::PlanLimits& limits = {}, int32_t extra = 0) {
    Step step(shape, parts, seed);
    step.q.resize(step.q.size() + static_cast<size_t>(extra * step.q_stride()), BFloat16{0x7FFF});
    const ops::PlanShape plan_shape{.H = shape.H,
                                    .G = shape.G,
                                    .D = shape.D,
                                    .P = shape.P,
                                    .step_tokens = step.query_begin.back() + extra,
                                    .sequences = static_cast<int32_t>(parts.size()),
                                    .context_tokens = 2048};
    ops::PagedAttentionParams p = step.Params(2, DType::kBFloat16);
    p.batch.T += extra;
    std::vector<std::byte> plan(paged_attention::PlanBytes(plan_shape));
    paged_attention::WritePlan(p.batch, plan_shape, limits, plan.data());
    const DeviceArray<std::byte> plan_there(plan);
    const DeviceArray<std::byte> scratch(paged_attention::ScratchBytes(plan_shape));
    const DeviceArray<BFloat16> q(step.q), cache(step.cache);
    const DeviceArray<BFloat16> y(static_cast<size_t>(p.batch.T * step.width()));
    const DeviceArray<int32_t> begin(step.query_begin), kv(step.kv_tokens), tables(step.tables);
    p.q = q.data();
    p.y = y.data();
    p.batch.query_begin = begin.data();
    p.batch.kv_tokens = kv.data();
    p.batch.block_tables = tables.data();
    p.batch.plan = plan_there.data();
    p.kv.base = reinterpret_cast<std::byte*>(cache.data());
    p.batch.scratch = scratch.data();
    PagedAttention(p, stream());
    return y.Read();
  }

  std::vector<float> Exact(const Shape& shape, const std::vector<Part>& parts) {
    Step step(shape, parts, 1);
    ops::PagedAttentionParams p = step.Params(2, DType::kFloat32);
    const std::vector<float> q = ToFloats(step.q);
    std::vector<float> y(static_cast<size_t>(p.batch.T * step.width()));
    p.q = q.data();
    p.y = y.data();
    p.kv.base = reinterpret_cast<std::byte*>(step.cache.data());
    ReferenceOps().paged_attention(p, host_stream_);
    return y;
  }

  /// Plain loops, but weights and result in bfloat16, as a simple kernel for tensor cores has them.
  static std::vector<float> Naive(const Shape& shape, const std::vector<Part>& parts) {
    std::vector<float> y;
    const int32_t group = shape.H / shape.G;
    for (const Part& part : parts) {
      const Content& c = *part.content;
      for (int32_t p = part.begin; p < part.begin + part.tokens; ++p) {
        for (int32_t h = 0; h < shape.H; ++h) {
          const std::vector<float> row = NaiveRow(shape, c, p, h, h / group);
          y.insert(y.end(), row.begin(), row.end());
        }
      }
    }
    return y;
  }

  static std::vector<float> NaiveRow(const Shape& shape, const Content& c, int32_t position,
                                     int32_t h, int32_t g) {
    const auto at = [&](const std::vector<BFloat16>& x, int32_t heads, int32_t p, int32_t head,
                        int32_t d) {
      return double{ToFloat(x[static_cast<size_t>((p * heads + head) * shape.D + d)])};
    };
    const int32_t first = shape.window > 0 ? std::max(0, position - shape.window + 1) : 0;
    std::vector<double> scores;
    for (int32_t j = first; j <= position; ++j) {
      double dot = 0;
      for (int32_t d = 0; d < shape.D; ++d) {
        dot += at(c.q, shape.H, position, h, d) * at(c.k, shape.G, j, g, d);
      }
      const double s = dot * ScaleOf(shape);
      scores.push_back(shape.softcap > 0 ? shape.softcap * std::tanh(s / shape.softcap) : s);
    }
    const double largest = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (double& s : scores) sum += s = std::exp(s - largest);
    std::vector<float> row;
    for (int32_t d = 0; d < shape.D; ++d) {
      double value = 0;
      for (int32_t j = first; j <= position; ++j) {
        const double weight =
            ToFloat(ToBFloat16(static_cast<float>(scores[static_cast<size_t>(j - first)])));
        value += weight * at(c.v, shape.G, j, g, d);
      }
      row.push_back(ToFloat(ToBFloat16(static_cast<float>(value / sum))));
    }
    return row;
  }

  /// As near to exact as twice a naive kernel's error, in the mean and nowhere far off.
  void ExpectAccurate(const Shape& shape, const std::vector<Part>& parts) {
    SCOPED_TRACE("H " + std::to_string(shape.H) + " G " + std::to_string(shape.G) + " P " +
                 std::to_string(shape.P) + " D " + std::to_string(shape.D) + " window " +
                 std::to_string(shape.window) + " softcap " + std::to_string(shape.softcap));
    const std::vector<float> actual = ToFloats(Run(shape, parts));
    const std::vector<float> exact = Exact(shape, parts);
    EXPECT_TRUE(AtMostTwiceAsFar(actual, Naive(shape, parts), exact));
    EXPECT_TRUE(WithinBFloat16(actual, exact, 2, 8e-3));
  }

  /// Rows [begin, begin + rows) of [., H, D].
  static std::vector<BFloat16> RowsOf(const std::vector<BFloat16>& y, const Shape& shape,
                                      int64_t begin, int64_t rows) {
    const int64_t width = int64_t{shape.H} * shape.D;
    return {y.begin() + begin * width, y.begin() + (begin + rows) * width};
  }
};

TEST_P(CudaPagedAttention, IsAsAccurateAsBFloat16AllowsForEveryHeadDimension) {
  for (const int32_t D : {32, 64, 96, 128, 256}) {
    const Shape shape{.H = 4, .G = 2, .P = 16, .D = D};
    const Content a(random_, shape, 77), b(random_, shape, 130), c(random_, shape, 1);
    ExpectAccurate(shape, {{&a, 0, 77}, {&b, 129, 1}, {&c, 0, 1}});
  }
}

TEST_P(CudaPagedAttention, TakesAnyGroupBlockWindowAndCap) {
  const Shape shapes[] = {
      {.H = 1, .G = 1, .P = 32, .D = 64},
      {.H = 3, .G = 1, .P = 64, .D = 32, .window = 1},
      {.H = 14, .G = 2, .P = 16, .D = 32, .window = 17},
      {.H = 16, .G = 1, .P = 1, .D = 32, .softcap = 3},
      {.H = 20, .G = 1, .P = 16, .D = 32, .window = 64, .softcap = 5},
      {.H = 4, .G = 4, .P = 128, .D = 64, .window = 100},
  };
  for (const Shape& shape : shapes) {
    const Content a(random_, shape, 65), b(random_, shape, 200);
    ExpectAccurate(shape, {{&a, 0, 65}, {&b, 195, 5}, {&b, 199, 1}, {&a, 30, 0}, {&a, 63, 1}});
  }
}

TEST_P(CudaPagedAttention, MergesSplits) {
  const Shape shape{.H = 2, .G = 1, .P = 16, .D = 32};
  const Content content(random_, shape, 1200);
  ExpectAccurate(shape, {{&content, 1199, 1}, {&content, 1100, 20}, {&content, 505, 10}});
  const Shape windowed{.H = 2, .G = 1, .P = 16, .D = 32, .window = 300};
  ExpectAccurate(windowed, {{&content, 1199, 1}, {&content, 1015, 20}});
  const Shape large{.H = 2, .G = 1, .P = 16, .D = 256};
  const Content wide(random_, large, 540);
  ExpectAccurate(large, {{&wide, 539, 1}, {&wide, 500, 40}});
}

TEST_P(CudaPagedAttention, GivesARowTheSameBitsHoweverItsSequenceIsCutAndBatched) {
  const Shape shapes[] = {{.H = 4, .G = 2, .P = 16, .D = 32},
                          {.H = 2, .G = 1, .P = 32, .D = 64, .window = 130},
                          {.H = 2, .G = 1, .P = 16, .D = 256, .softcap = 4}};
  for (const Shape& shape : shapes) {
    SCOPED_TRACE(shape.D);
    const int32_t length = shape.D == 256 ? 70 : 530;
    const Content content(random_, shape, length), other(random_, shape, 90);
    const std::vector<BFloat16> whole = Run(shape, {{&content, 0, length}});
    // Chunks of any size, in other blocks and in company.
    for (const int32_t begin : {0, 1, 37, 63, length - 19}) {
      const int32_t count = std::min(19, length - begin);
      const std::vector<BFloat16> chunk =
          Run(shape, {{&other, 0, 90}, {&content, begin, count}, {&other, 89, 1}}, 7);
      EXPECT_TRUE(SameBits(RowsOf(chunk, shape, 90, count), RowsOf(whole, shape, begin, count)))
          << "the chunk at " << begin;
    }
    // A token at a time, as it is decoded: around tiles and splits.
    for (const int32_t position : {0, 1, 15, 63, 64, 65, 128, 511, 512, 513, length - 1}) {
      if (position >= length) continue;
      EXPECT_TRUE(
          SameBits(Run(shape, {{&content, position, 1}}, 3), RowsOf(whole, shape, position, 1)))
          << "position " << position;
    }
  }
}

TEST_P(CudaPagedAttention, GivesTheSameBitsWithoutPartials) {
  // Items beyond kMaxPartials merge all splits of their rows themselves, as do wide ones where
  // there are enough. Two splits have the same sum in either order, so there are more.
  const Shape shape{.H = 2, .G = 1, .P = 16, .D = 32};
  const Content content(random_, shape, 1930);
  const std::vector<BFloat16> wide = Run(shape, {{&content, 1910, 20}}, 1, {.wide_blocks = 0});
  for (const int32_t position : {1910, 1919, 1920, 1929}) {
    EXPECT_TRUE(
        SameBits(Run(shape, {{&content, position, 1}}), RowsOf(wide, shape, position - 1910, 1)))
        << "position " << position;
  }
}

TEST_P(CudaPagedAttention, GivesAChunkTheSameBitsHoweverItsSplitsAreParted) {
  for (const Shape& shape : {Shape{.H = 6, .G = 2, .P = 16, .D = 64},
                             Shape{.H = 6, .G = 2, .P = 16, .D = 64, .window = 700},
                             Shape{.H = 3, .G = 1, .P = 16, .D = 256}}) {
    const Content content(random_, shape, 1590);
    const Content other(random_, shape, 25);
    const std::vector<Part> parts = {{&other, 5, 20}, {&content, 1575, 14}};
    const std::vector<BFloat16> whole = Run(shape, parts, 1, {.wide_blocks = 0});
    EXPECT_TRUE(SameBits(Run(shape, parts), whole)) << "each split by itself, D " << shape.D;
    // 42 rows of each KV head: three parts of four splits, so that the first has two.
    EXPECT_TRUE(SameBits(Run(shape, parts, 1, {.partial_rows = 3 * 42 * shape.G}), whole))
        << "some splits together, D " << shape.D;
  }
}

TEST_P(CudaPagedAttention, WritesAllRowsOfASequenceBesideThoseWithoutAny) {
  // As many rows as sequences, but all of one: more packed rows than a warp has.
  const Shape shape{.H = 16, .G = 1, .P = 16, .D = 32};
  const Content a(random_, shape, 30), b(random_, shape, 9);
  ExpectAccurate(shape, {{&a, 20, 0}, {&b, 6, 3}, {&a, 30, 0}});
}

TEST_P(CudaPagedAttention, TakesMoreItemsThanBlocksFitTheDevice) {
  const Shape shape{.H = 90, .G = 90, .P = 16, .D = 128};
  const Content content(random_, shape, 81);
  // One tile each, so that a block's next item overwrites the last tile of the one before.
  ExpectAccurate(shape, {{&content, 0, 17}, {&content, 20, 21}, {&content, 33, 17}});
}

TEST_P(CudaPagedAttention, LeavesRowsBeyondTheLastSequenceAlone) {
  const Shape shape{.H = 4, .G = 2, .P = 16, .D = 64};
  const Content a(random_, shape, 90), b(random_, shape, 600);
  const std::vector<Part> parts = {{&b, 599, 1}, {&a, 60, 30}};
  const std::vector<BFloat16> plain = Run(shape, parts);
  const std::vector<BFloat16> padded = Run(shape, parts, 1, {}, 5);
  EXPECT_TRUE(SameBits(RowsOf(padded, shape, 0, 31), plain));
  for (const BFloat16 y : RowsOf(padded, shape, 31, 5)) ASSERT_EQ(y.bits, 0xffff);
}

TEST_P(CudaPagedAttention, GivesTheSameBitsTwice) {
  const Shape shape{.H = 6, .G = 2, .P = 16, .D = 128, .window = 900};
  const Content a(random_, shape, 90), b(random_, shape, 1200);
  ExpectSameBitsAgain([&] { return Run(shape, {{&b, 1199, 1}, {&a, 60, 30}, {&b, 1100, 20}}); });
}

BATON_DEVICE_SUITE(CudaPagedAttention);

}  // namespace
}  // namespace baton::kernels::cuda
