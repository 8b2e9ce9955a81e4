#include "paged_prefill/paged_prefill.h"

#include "kernels/cuda/attention_step.h"

namespace baton::kernels::cuda {
namespace {

class CudaPagedPrefill : public DeviceTest {
 protected:
  static constexpr int32_t kWorkers = 3;

  std::vector<BFloat16> Run(const Step& step, int32_t min_tokens = 1) {
    const paged_prefill::PlanOptions options{.workers = kWorkers, .min_tokens = min_tokens};
    std::vector<std::byte> plan(paged_prefill::PlanBytes(step.plan_shape(), options));
    paged_prefill::WritePlan(step.batch(), step.plan_shape(), options, plan.data());
    const DeviceArray<std::byte> device_plan(plan);
    const DeviceArray<BFloat16> q(step.q()), cache(step.cache()), y(step.y_elements());
    const DeviceArray<int32_t> query_begin(step.query_begin()), kv_tokens(step.kv_tokens()),
        tables(step.tables());
    ops::PagedAttentionParams p = step.Params(q.data(), y.data(), DType::kBFloat16, cache.data());
    p.batch.query_begin = query_begin.data();
    p.batch.kv_tokens = kv_tokens.data();
    p.batch.block_tables = tables.data();
    PagedPrefill(p, device_plan.data(), kWorkers, stream());
    return y.Read();
  }

  std::vector<float> Exact(const Step& step) {
    const std::vector<float> q = ToFloats(step.q());
    std::vector<float> y(step.y_elements());
    ReferenceOps().paged_attention(
        step.Params(q.data(), y.data(), DType::kFloat32, step.cache().data()), host_stream_);
    return y;
  }

  /// Twice the error of the naive kernel, together and of each element.
  void ExpectAccurate(const Shape& shape, const std::vector<Lengths>& sequences) {
    const Step step(shape, sequences, random_.Next());
    const std::vector<float> y = ToFloats(Run(step));
    const std::vector<float> exact = Exact(step);
    const std::vector<float> naive = Naive(step, shape, ToFloats(step.q()));
    EXPECT_TRUE(AtMostTwiceAsFar(y, naive, exact));
    for (size_t i = 0; i < y.size(); ++i) {
      ASSERT_NEAR(y[i], exact[i], 0.02) << "row " << i / static_cast<size_t>(shape.H * shape.D);
    }
  }
};

TEST_P(CudaPagedPrefill, IsAsAccurateAsTheNaiveKernelAroundTheEdgesOfTiles) {
  for (const int32_t D : {64, 128, 256}) {
    for (const int32_t tokens : {1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 200}) {
      SCOPED_TRACE(testing::Message() << "D " << D << ", tokens " << tokens);
      ExpectAccurate({.H = 2, .G = 1, .D = D}, {{tokens, tokens}});
    }
  }
}

TEST_P(CudaPagedPrefill, TakesChunksAtAnOffsetIntoTheSequence) {
  for (const int32_t P : {8, 16, 32, 64}) {
    for (const Lengths& chunk : {Lengths{130, 3}, {130, 4}, {257, 129}, {300, 64}, {384, 1}}) {
      SCOPED_TRACE(testing::Message() << "P " << P << ", tokens " << chunk.kv_tokens);
      ExpectAccurate({.P = P, .D = 128}, {chunk});
    }
  }
}

TEST_P(CudaPagedPrefill, TakesSeveralSequencesAndAnyNumberOfQueryHeadsForAKvHead) {
  for (int32_t group = 1; group <= 8; ++group) {
    SCOPED_TRACE(testing::Message() << "group " << group);
    ExpectAccurate({.H = 2 * group, .G = 2, .P = 32}, {{40, 40}, {131, 20}, {7, 7}, {64, 1}});
  }
}

TEST_P(CudaPagedPrefill, LooksNoFurtherBackThanItsWindow) {
  for (const int32_t window : {1, 5, 64, 128, 130, 1000}) {
    SCOPED_TRACE(testing::Message() << "window " << window);
    ExpectAccurate({.window = window}, {{150, 150}, {400, 30}, {window + 129, 1}});
    ExpectAccurate({.H = 2, .G = 2, .D = 256, .window = window}, {{200, 70}});
  }
}

TEST_P(CudaPagedPrefill, CapsItsScores) {
  for (const float softcap : {0.5f, 3.0f, 50.0f}) {
    SCOPED_TRACE(testing::Message() << "softcap " << softcap);
    ExpectAccurate({.softcap = softcap}, {{150, 60}});
    ExpectAccurate({.window = 20, .softcap = softcap}, {{150, 60}});
  }
}

TEST_P(CudaPagedPrefill, ToleratesLargeScores) {
  ExpectAccurate({.D = 128, .amplitude = 300}, {{140, 140}});
}

TEST_P(CudaPagedPrefill, LeavesShorterChunksToOthers) {
  const Shape shape;
  const Step step(shape, {{20, 9}, {30, 10}, {50, 1}}, 5);
  const std::vector<BFloat16> all = Run(step);
  const std::vector<BFloat16> some = Run(step, 10);
  const auto row = static_cast<size_t>(shape.H * shape.D);
  for (size_t i = 0; i < some.size(); ++i) {
    const bool planned = i / row >= 9 && i / row < 19;
    ASSERT_EQ(some[i].bits, planned ? all[i].bits : 0xffff) << "row " << i / row;
  }
}

TEST_P(CudaPagedPrefill, GivesTheSameBitsTwice) {
  const Step step({.D = 128}, {{150, 150}, {300, 40}}, 5);
  ExpectSameBitsAgain([&] { return Run(step); });
}

BATON_DEVICE_SUITE(CudaPagedPrefill);

}  // namespace
}  // namespace baton::kernels::cuda
