#include <cstring>

#include "divided_attention/plan.h"
#include "kernels/cuda/attention_step.h"
#include "operations.h"

namespace baton::kernels::cuda {
namespace {

class CudaDividedAttention : public DeviceTest {
 protected:
  /// What the plan does not write says that all workers have items, far away.
  static std::vector<std::byte> PlanOf(const Step& step) {
    const ops::PlanShape shape = step.plan_shape();
    std::vector<int32_t> words((divided_attention::PlanBytes(shape) + 3) / sizeof(int32_t));
    std::iota(words.begin(), words.end(), 1 << 24);
    std::vector<std::byte> plan(divided_attention::PlanBytes(shape));
    std::memcpy(plan.data(), words.data(), plan.size());
    divided_attention::WritePlan(step.batch(), shape, plan.data());
    return plan;
  }

  std::vector<BFloat16> Run(const Step& step, bool with_scratch = true) {
    const DeviceArray<std::byte> plan(PlanOf(step));
    const DeviceArray<std::byte> scratch(paged_attention::ScratchBytes(step.plan_shape()));
    const DeviceArray<BFloat16> q(step.q()), cache(step.cache()), y(step.y_elements());
    const DeviceArray<int32_t> query_begin(step.query_begin()), kv_tokens(step.kv_tokens()),
        tables(step.tables());
    ops::PagedAttentionParams p = step.Params(q.data(), y.data(), DType::kBFloat16, cache.data());
    p.batch.query_begin = query_begin.data();
    p.batch.kv_tokens = kv_tokens.data();
    p.batch.block_tables = tables.data();
    p.batch.plan = plan.data();
    p.batch.scratch = with_scratch ? scratch.data() : nullptr;
    DividedAttention(p, stream());
    return y.Read();
  }

  /// Twice the error of the naive kernel, together and of each element.
  void ExpectAccurate(const Shape& shape, const std::vector<Lengths>& sequences) {
    SCOPED_TRACE(testing::Message()
                 << "H " << shape.H << " G " << shape.G << " P " << shape.P << " D " << shape.D
                 << " window " << shape.window << " softcap " << shape.softcap);
    const Step step(shape, sequences, random_.Next());
    const std::vector<float> actual = ToFloats(Run(step));
    const std::vector<float> q = ToFloats(step.q());
    std::vector<float> exact(step.y_elements());
    ReferenceOps().paged_attention(
        step.Params(q.data(), exact.data(), DType::kFloat32, step.cache().data()), host_stream_);
    EXPECT_TRUE(AtMostTwiceAsFar(actual, Naive(step, shape, q), exact));
    for (size_t i = 0; i < actual.size(); ++i) {
      ASSERT_NEAR(actual[i], exact[i], 0.02)
          << "row " << i / static_cast<size_t>(shape.H * shape.D);
    }
  }
};

/// Decodes, one of them of two splits, short and long chunks, at an offset and from the start.
const std::vector<Lengths> kMixed = {{90, 1},   {64, 64},  {33, 20}, {560, 1},
                                     {150, 63}, {190, 70}, {1, 1},   {130, 130}};

TEST_P(CudaDividedAttention, IsAsAccurateAsTheNaiveKernelForMixedSteps) {
  for (const int32_t D : {64, 128, 256}) {
    ExpectAccurate({.H = 2, .G = 1, .D = D}, kMixed);
  }
  ExpectAccurate({.H = 6, .G = 2, .P = 32}, kMixed);
  ExpectAccurate({.H = 20, .G = 1, .P = 8}, {{90, 1}, {150, 63}, {190, 70}});
}

TEST_P(CudaDividedAttention, TakesWindowsAndCapsInMixedSteps) {
  ExpectAccurate({.H = 2, .G = 1, .window = 50}, kMixed);
  ExpectAccurate({.H = 2, .G = 1, .softcap = 3}, kMixed);
  ExpectAccurate({.H = 2, .G = 1, .P = 64, .D = 128, .window = 100, .softcap = 20}, kMixed);
}

TEST_P(CudaDividedAttention, TakesStepsOfOneKind) {
  ExpectAccurate({}, {{90, 1}, {560, 1}, {1, 1}});
  ExpectAccurate({}, {{90, 30}, {63, 63}});
  ExpectAccurate({}, {{90, 80}, {64, 64}});
  ExpectAccurate({}, {{200, 150}});
}

TEST_P(CudaDividedAttention, TakesLongChunksOfShapesThatPrefillDoesNotTake) {
  ExpectAccurate({.D = 32}, {{90, 1}, {150, 100}});
  ExpectAccurate({.P = 128}, {{90, 1}, {150, 100}});
  ExpectAccurate({.P = 4}, {{150, 100}});
}

TEST_P(CudaDividedAttention, GivesDecodesAndShortChunksTheBitsOfOneAttentionForAll) {
  const Shape shape{.H = 4, .G = 2, .D = 128};
  const Step step(shape, {{560, 1}, {150, 63}, {190, 70}}, 5);
  const std::vector<BFloat16> divided = Run(step);
  const size_t others = 64 * static_cast<size_t>(shape.H * shape.D);
  std::vector<std::byte> plan(paged_attention::PlanBytes(step.plan_shape()));
  paged_attention::WritePlan(step.batch(), step.plan_shape(), plan.data());
  const DeviceArray<std::byte> plan_there(plan);
  const DeviceArray<std::byte> scratch(paged_attention::ScratchBytes(step.plan_shape()));
  const DeviceArray<BFloat16> q(step.q()), cache(step.cache()), y(step.y_elements());
  const DeviceArray<int32_t> tables(step.tables());
  ops::PagedAttentionParams p = step.Params(q.data(), y.data(), DType::kBFloat16, cache.data());
  p.batch.block_tables = tables.data();
  p.batch.plan = plan_there.data();
  p.batch.scratch = scratch.data();
  PagedAttention(p, stream());
  const std::vector<BFloat16> whole = y.Read();
  const auto end = static_cast<std::ptrdiff_t>(others);
  EXPECT_TRUE(SameBits<BFloat16>({divided.begin(), divided.begin() + end},
                                 {whole.begin(), whole.begin() + end}));
}

TEST_P(CudaDividedAttention, NeedsNoScratchForALongChunkAlone) {
  // The other attention would refuse to go without.
  const Step step({}, {{200, 150}}, 5);
  EXPECT_TRUE(SameBits(Run(step, false), Run(step)));
}

TEST_P(CudaDividedAttention, GivesTheSameBitsTwice) {
  const Step step({.H = 6, .G = 2, .D = 128}, kMixed, 5);
  ExpectSameBitsAgain([&] { return Run(step); });
}

BATON_DEVICE_SUITE(CudaDividedAttention);

}  // namespace
}  // namespace baton::kernels::cuda
