#include "paged_support.h"

namespace baton::kernels {
namespace {

constexpr DType kCacheTypes[] = {DType::kFloat32, DType::kFloat16, DType::kBFloat16, DType::kInt8};

struct Shape {
  DType dtype = DType::kBFloat16;
  int32_t H = 4, G = 2, P = 16, D = 32;
  int32_t window = 0;
  float softcap = 0;
};

/// The queries, keys and values of one sequence.
struct Content {
  Content(Random& random, const Shape& shape, int32_t length)
      : tokens(length),
        q(Uniform(random, int64_t{length} * shape.H * shape.D, -2, 2)),
        k(Uniform(random, int64_t{length} * shape.G * shape.D, -2, 2)),
        v(Uniform(random, int64_t{length} * shape.G * shape.D)) {}

  int32_t tokens;
  std::vector<float> q, k, v;
};

/// A sequence whose first `done` tokens are in the cache.
struct Progress {
  const Content* content = nullptr;
  int32_t done = 0;
  TestSequence sequence;
};

class Attention {
 public:
  Attention(const ops::Ops& ops, device::HostStream& stream, const Shape& shape, uint64_t seed)
      : ops_(ops),
        stream_(stream),
        shape_(shape),
        cache_(shape.dtype, shape.G, shape.P, shape.D, 512 / shape.P + 4, seed) {}

  Progress Begin(const Content& content) {
    return {.content = &content, .done = 0, .sequence = {.table = cache_.Take(content.tokens)}};
  }

  /// One step: `tokens[i]` more of each sequence. Returns the rows of each.
  std::vector<std::vector<float>> Step(std::vector<Progress*> steps, std::vector<int32_t> tokens) {
    std::vector<TestSequence> sequences;
    std::vector<float> q, k, v;
    for (size_t i = 0; i < steps.size(); ++i) {
      Progress& s = *steps[i];
      Append(q, s.content->q, s.done, tokens[i], shape_.H * shape_.D);
      Append(k, s.content->k, s.done, tokens[i], shape_.G * shape_.D);
      Append(v, s.content->v, s.done, tokens[i], shape_.G * shape_.D);
      s.done += tokens[i];
      s.sequence.new_tokens = tokens[i];
      s.sequence.kv_tokens = s.done;
      sequences.push_back(s.sequence);
    }
    return Split(Attend(TestBatch(sequences).get(), q, k, v), tokens);
  }

  /// All of `content` in chunks of the given sizes, the last one repeated.
  std::vector<float> Chunked(const Content& content, const std::vector<int32_t>& chunks) {
    Progress progress = Begin(content);
    std::vector<float> rows;
    for (size_t i = 0; progress.done < content.tokens; ++i) {
      const int32_t chunk =
          std::min(chunks[std::min(i, chunks.size() - 1)], content.tokens - progress.done);
      const std::vector<float> y = Step({&progress}, {chunk})[0];
      rows.insert(rows.end(), y.begin(), y.end());
    }
    return rows;
  }

 private:
  static void Append(std::vector<float>& to, const std::vector<float>& from, int32_t begin,
                     int32_t rows, int32_t width) {
    const std::vector<float> part = Rows(from, begin, rows, width);
    to.insert(to.end(), part.begin(), part.end());
  }

  std::vector<float> Attend(const ops::PagedBatch& batch, std::vector<float> q,
                            std::vector<float> k, const std::vector<float>& v) {
    const std::vector<float> inv_freq(static_cast<size_t>(shape_.D / 2), 0.0f);
    ops_.rope_kv_write({.q = q.data(),
                        .k = k.data(),
                        .v = v.data(),
                        .q_stride = shape_.H * shape_.D,
                        .kv_stride = shape_.G * shape_.D,
                        .inv_freq = inv_freq.data(),
                        .H = shape_.H,
                        .R = shape_.D,
                        .batch = batch,
                        .kv = cache_.kv()},
                       stream_);
    std::vector<float> y = NanFilled(static_cast<int64_t>(q.size()));
    ops_.paged_attention({.q = q.data(),
                          .y = y.data(),
                          .q_stride = shape_.H * shape_.D,
                          .H = shape_.H,
                          .scale = 0.7f / std::sqrt(static_cast<float>(shape_.D)),
                          .window = shape_.window,
                          .softcap = shape_.softcap,
                          .batch = batch,
                          .kv = cache_.kv()},
                         stream_);
    return y;
  }

  std::vector<std::vector<float>> Split(const std::vector<float>& y,
                                        const std::vector<int32_t>& tokens) const {
    std::vector<std::vector<float>> rows;
    int64_t begin = 0;
    for (const int32_t count : tokens) {
      rows.push_back(Rows(y, begin, count, int64_t{shape_.H} * shape_.D));
      begin += count;
    }
    return rows;
  }

  const ops::Ops& ops_;
  device::HostStream& stream_;
  Shape shape_;
  TestCache cache_;
};

class PagedAttention : public KernelTest {
 protected:
  std::vector<float> Run(const ops::Ops& ops, const Shape& shape, const Content& content,
                         const std::vector<int32_t>& chunks, uint64_t seed = 1) {
    return Attention(ops, stream_, shape, seed).Chunked(content, chunks);
  }
};

TEST_P(PagedAttention, AgreesWithTheReferenceForEveryTypeAndHeadDimension) {
  for (const DType dtype : kCacheTypes) {
    for (const int32_t D : {2, 8, 16, 34, 48, 64, 80, 128}) {
      const Shape shape{.dtype = dtype, .D = D};
      const Content content(random_, shape, 37);
      SCOPED_TRACE(std::string(DTypeName(dtype)) + " D " + std::to_string(D));
      ExpectClose(Run(cpu(), shape, content, {37}), Run(reference(), shape, content, {37}), 2e-6,
                  0);
    }
  }
}

TEST_P(PagedAttention, AgreesWithTheReferenceForOddLengthsBlocksAndGroups) {
  for (const int32_t P : {1, 3, 16, 64}) {
    for (const int32_t tokens : {1, 2, P - 1, P, P + 1, 15, 16, 17, 100}) {
      if (tokens < 1) continue;
      for (const auto& [H, G] : {std::pair{1, 1}, {8, 8}, {8, 1}, {9, 3}, {71, 1}}) {
        const Shape shape{.H = H, .G = G, .P = P, .D = 8};
        const Content content(random_, shape, tokens);
        SCOPED_TRACE("P " + std::to_string(P) + " tokens " + std::to_string(tokens) + " heads " +
                     std::to_string(H) + "/" + std::to_string(G));
        ExpectClose(Run(cpu(), shape, content, {tokens}),
                    Run(reference(), shape, content, {tokens}), 2e-6, 0);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(PagedAttention, LooksNoFurtherBackThanItsWindow) {
  for (const int32_t window : {1, 5, 16, 33, 1000}) {
    const Shape shape{.window = window};
    const Content content(random_, shape, 90);
    SCOPED_TRACE(window);
    ExpectClose(Run(cpu(), shape, content, {50, 1}), Run(reference(), shape, content, {50, 1}),
                2e-6, 0);
  }
}

TEST_P(PagedAttention, CapsItsScores) {
  for (const float softcap : {0.5f, 3.0f, 50.0f}) {
    const Shape shape{.D = 256, .softcap = softcap};
    const Content content(random_, shape, 90);
    SCOPED_TRACE(softcap);
    ExpectClose(Run(cpu(), shape, content, {50, 1}), Run(reference(), shape, content, {50, 1}),
                5e-6, 0);
  }
}

TEST_P(PagedAttention, GivesTheSameBitsHoweverThePromptIsChunked) {
  for (const Shape& shape :
       {Shape{}, Shape{.window = 9, .softcap = 2}, Shape{.H = 8, .G = 1, .P = 5, .D = 80},
        Shape{.dtype = DType::kFloat32, .window = 20},
        Shape{.dtype = DType::kInt8, .G = 1, .P = 5, .D = 34}}) {
    const Content content(random_, shape, 137);
    const std::vector<float> at_once = Run(cpu(), shape, content, {137});
    for (const std::vector<int32_t>& chunks :
         {std::vector<int32_t>{1}, {7, 13, 1, 16}, {16}, {15, 1, 1, 120}, {17}, {136, 1}}) {
      EXPECT_TRUE(SameBits(Run(cpu(), shape, content, chunks), at_once)) << chunks[0];
    }
  }
}

TEST_P(PagedAttention, GivesTheSameBitsWhereverTheBlocksLie) {
  const Shape shape{.P = 4};
  const Content content(random_, shape, 200);
  const std::vector<float> expected = Run(cpu(), shape, content, {64}, 1);
  EXPECT_TRUE(SameBits(Run(cpu(), shape, content, {64}, 2), expected));
  EXPECT_TRUE(SameBits(Run(cpu(), shape, content, {64}, 3), expected));
}

TEST_P(PagedAttention, GivesTheSameBitsForAnyNumberOfThreads) {
  const Shape shape{.H = 10, .G = 5, .D = 64};
  const Content content(random_, shape, 300);
  // Of which the last are decode steps.
  const std::vector<int32_t> chunks = {290, 1};
  const std::vector<float> expected = Run(cpu(), shape, content, {300});
  for (const int threads : {1, 2, 3}) {
    device::HostStream stream(threads);
    EXPECT_TRUE(SameBits(Attention(cpu(), stream, shape, 1).Chunked(content, chunks), expected));
  }
}

TEST_P(PagedAttention, GivesASequenceTheSameBitsAloneAndAmongOthers) {
  for (const DType dtype : {DType::kBFloat16, DType::kInt8}) {
    const Shape shape{.dtype = dtype, .H = 12, .G = 4, .P = 8};
    const Content a(random_, shape, 37), b(random_, shape, 130), c(random_, shape, 5);
    const std::vector<float> alone = Run(cpu(), shape, a, {20, 16, 1});
    device::HostStream stream(1);
    Attention together(cpu(), stream, shape, 9);
    Progress pa = together.Begin(a), pb = together.Begin(b), pc = together.Begin(c);
    std::vector<float> rows;
    const auto take = [&](const std::vector<float>& y) {
      rows.insert(rows.end(), y.begin(), y.end());
    };
    take(together.Step({&pb, &pa}, {100, 20})[1]);
    take(together.Step({&pa, &pc, &pb}, {16, 1, 1})[0]);
    take(together.Step({&pc, &pb, &pa}, {3, 2, 1})[2]);
    EXPECT_TRUE(SameBits(rows, alone)) << DTypeName(dtype);
  }
}

TEST_P(PagedAttention, GivesTheSameBitsTwice) {
  const Shape shape{.D = 128};
  const Content content(random_, shape, 64);
  EXPECT_TRUE(SameBits(Run(cpu(), shape, content, {64}), Run(cpu(), shape, content, {64})));
}

TEST_P(PagedAttention, ToleratesLargeScores) {
  const Shape shape{.dtype = DType::kFloat32};
  Content content(random_, shape, 40);
  for (float& value : content.q) value *= 300;
  ExpectClose(Run(cpu(), shape, content, {40}), Run(reference(), shape, content, {40}), 1e-3, 0);
}

BATON_KERNEL_SUITE(PagedAttention);

TEST(PagedAttentionAcrossInstructionSets, Avx2AndAvx512GiveTheSameBits) {
  const auto avx512 = CpuOpsFor("avx512");
  const auto avx2 = CpuOpsFor("avx2");
  if (!avx512.ok() || !avx2.ok()) GTEST_SKIP() << "this host lacks one of them";
  device::HostStream stream(2);
  Random random(1);
  for (const DType dtype : kCacheTypes) {
    const Shape shape{.dtype = dtype, .D = 72};
    const Content content(random, shape, 70);
    EXPECT_TRUE(SameBits(Attention(**avx512, stream, shape, 1).Chunked(content, {33}),
                         Attention(**avx2, stream, shape, 1).Chunked(content, {33})));
  }
}

}  // namespace
}  // namespace baton::kernels
