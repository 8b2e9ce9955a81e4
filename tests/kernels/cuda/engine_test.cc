// A whole engine on the CUDA kernels, under the emulator: all that a GPU computes but cuBLASLt.
#include <gtest/gtest.h>

#include "linear/products.h"
#include "simt/launch.h"
#include "simt/recording.h"
#include "support/engine_driver.h"
#include "support/tiny_model.h"
#include "tables.h"

namespace baton::engine {
namespace {

using testing_support::DriverOptions;
using testing_support::EngineDriver;

/// As CudaOps(), with products by our own kernel.
constexpr ops::Ops kEmulatedOps =
    kernels::cuda::DeterministicTable("emulated", kernels::cuda::OwnLinear);
/// As CudaOps({.deterministic = false}).
constexpr ops::Ops kFastestEmulatedOps =
    kernels::cuda::FastestTable("emulated, fastest", kernels::cuda::OwnLinear);

class CudaEngine : public testing::Test {
 protected:
  CudaEngine() { Load(32); }

  void Load(int32_t head_dim) {
    testing_support::WriteTinyModel(folder_.path(),
                                    {.hidden = 64,
                                     .intermediate = 96,
                                     .query_heads = 4,
                                     .kv_heads = 2,
                                     .head_dim = head_dim,
                                     .config_fields = {{"attention_bias", "false"}}});
    model_ =
        *model::Model::Load(folder_.path(), {.memory = &host_, .weights_dtype = DType::kBFloat16});
  }

  /// Of a prompt's tokens, against those of the CPU.
  void ExpectLogProbabilitiesOfTheHost(int32_t prompt_tokens, const DriverOptions& options,
                                       const ops::Ops& ops) {
    Request request = RequestOf(prompt_tokens, 2, 1);
    request.sampling.prompt_logprobs = 0;
    const auto actual = Outputs({request}, options, ops);
    const auto expected = Outputs({request}, options, kernels::CpuOps());
    const auto& scored = actual[0][0].prompt_logprobs;
    const auto& exact = expected[0][0].prompt_logprobs;
    ASSERT_TRUE(scored != nullptr && exact != nullptr && scored->size() == exact->size());
    double squares = 0;
    double spread = 0;
    for (size_t i = 0; i < exact->size(); ++i) {
      squares += std::pow((*scored)[i].logprob - (*exact)[i].logprob, 2);
      spread += std::pow((*exact)[i].logprob + std::log(96.0), 2);
    }
    EXPECT_LT(std::sqrt(squares / spread), 0.02);
  }

  static Request RequestOf(int32_t prompt_tokens, int32_t salt, int32_t max_tokens) {
    Request request{.id = "r"};
    for (int32_t i = 0; i < prompt_tokens; ++i) request.prompt.push_back((i * 31 + salt) % 96);
    request.sampling = {.temperature = salt % 2 == 0 ? 0.0f : 1.0f,
                        .seed = static_cast<uint64_t>(salt),
                        .max_tokens = max_tokens,
                        .ignore_eos = true,
                        .logprobs = 0};
    return request;
  }

  std::vector<std::vector<TokenOutput>> Outputs(const std::vector<Request>& requests,
                                                const DriverOptions& options,
                                                const ops::Ops& ops = kEmulatedOps) {
    EngineDriver driver(*model_, options, ops);
    std::vector<SequenceId> sequences;
    for (const Request& request : requests) sequences.push_back(driver.Submit(request));
    driver.RunUntilIdle();
    std::vector<std::vector<TokenOutput>> outputs;
    for (const SequenceId sequence : sequences) {
      EXPECT_TRUE(driver.log(sequence).ended());
      outputs.push_back(driver.log(sequence).outputs);
    }
    preemptions_ = driver.engine().Stats().preemptions;
    return outputs;
  }

  static void ExpectSame(const std::vector<TokenOutput>& actual,
                         const std::vector<TokenOutput>& expected) {
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i) {
      EXPECT_EQ(actual[i].token, expected[i].token) << "token " << i;
      EXPECT_EQ(actual[i].logprob, expected[i].logprob) << "token " << i;
    }
  }

  testing_support::TemporaryFolder folder_;
  device::HostMemory host_;
  std::unique_ptr<model::Model> model_;
  int64_t preemptions_ = 0;
};

TEST_F(CudaEngine, GivesTheLogProbabilitiesOfTheHostUpToBFloat16) {
  ExpectLogProbabilitiesOfTheHost(40, {.engine = {.step_tokens = 64, .running_sequences = 4}},
                                  kEmulatedOps);
}

TEST_F(CudaEngine, GivesThemToLongChunksWhereBitsMayDependOnChunks) {
  Load(64);
  // Two long chunks and a short one.
  ExpectLogProbabilitiesOfTheHost(200, {.engine = {.step_tokens = 80, .running_sequences = 4}},
                                  kFastestEmulatedOps);
}

TEST_F(CudaEngine, GivesTheSameTokensAloneBatchedChunkedAndPreempted) {
  const std::vector<Request> requests = {RequestOf(20, 2, 28), RequestOf(17, 3, 28),
                                         RequestOf(24, 5, 28)};
  std::vector<std::vector<TokenOutput>> alone;
  for (const Request& request : requests) {
    alone.push_back(
        Outputs({request}, {.engine = {.step_tokens = 128, .running_sequences = 4}})[0]);
  }
  const DriverOptions settings[] = {
      {.engine = {.step_tokens = 128, .running_sequences = 4}},
      {.engine = {.step_tokens = 7, .running_sequences = 4}},
      {.engine = {.step_tokens = 128, .running_sequences = 4, .overlap = Overlap::kAlways}},
      {.engine = {.step_tokens = 32, .running_sequences = 4}, .blocks = 8},
  };
  for (const DriverOptions& options : settings) {
    SCOPED_TRACE(options.engine.step_tokens);
    const auto together = Outputs(requests, options);
    for (size_t i = 0; i < requests.size(); ++i) {
      SCOPED_TRACE("request " + std::to_string(i));
      ExpectSame(together[i], alone[i]);
    }
  }
  EXPECT_GT(preemptions_, 0) << "the last setting is to recompute what was decoded";
}

/// On so few multiprocessors of a GPU.
class PartStream final : public device::Stream {
 public:
  explicit PartStream(int32_t multiprocessors) : multiprocessors_(multiprocessors) {}
  void SynchronizeAndWait() override {}
  int32_t multiprocessors() const override { return multiprocessors_; }

 private:
  const int32_t multiprocessors_;
};

/// What the last plan was for.
int32_t& PlannedFor() {
  static int32_t multiprocessors = -1;
  return multiprocessors;
}

TEST_F(CudaEngine, GivesTheSameTokensOnAPartOfTheMultiprocessors) {
  const std::vector<Request> requests = {RequestOf(20, 2, 6), RequestOf(17, 3, 6)};
  DriverOptions options{.engine = {.step_tokens = 32, .running_sequences = 4}};
  const auto whole = Outputs(requests, options);
  ops::Ops ops = kEmulatedOps;
  ops.plan = [](const ops::PagedBatch& batch, const ops::PlanShape& shape, std::byte* out) {
    PlannedFor() = shape.multiprocessors;
    kEmulatedOps.plan(batch, shape, out);
  };
  options.make_stream = [] { return std::make_unique<PartStream>(3); };
  const auto part = Outputs(requests, options, ops);
  for (size_t i = 0; i < requests.size(); ++i) ExpectSame(part[i], whole[i]);
  EXPECT_EQ(PlannedFor(), 3);
}

TEST(CudaProduct, TakesABlockForEachMultiprocessorOfItsStream) {
  constexpr int64_t kN = 2048;
  constexpr int64_t kK = 64;
  const std::vector<BFloat16> x(8 * kK);
  const std::vector<BFloat16> w(kN * kK);
  std::vector<BFloat16> y(8 * kN);
  const auto blocks_on = [&](int32_t multiprocessors) {
    PartStream stream(multiprocessors);
    kernels::cuda::OwnLinear({.x = x.data(),
                              .w = w.data(),
                              .y = y.data(),
                              .x_dtype = DType::kBFloat16,
                              .w_dtype = DType::kBFloat16,
                              .y_dtype = DType::kBFloat16,
                              .T = 8,
                              .N = kN,
                              .K = kK,
                              .x_stride = kK,
                              .y_stride = kN},
                             stream);
    return kernels::cuda::LastGrid().x;
  };
  EXPECT_EQ(blocks_on(3), 3);
  EXPECT_GT(blocks_on(132), 3);
}

TEST_F(CudaEngine, GivesTheSameTokensWhereLaunchesAreRecordedAndRepeated) {
  // They end one after the other, so that the step shrinks from a size to the next.
  const std::vector<Request> requests = {RequestOf(20, 2, 24), RequestOf(17, 3, 8),
                                         RequestOf(24, 5, 16)};
  DriverOptions options{.engine = {.step_tokens = 128, .running_sequences = 4}};
  const auto expected = Outputs(requests, options);
  int replayed = 0;
  options.replayed_rows = 4;
  options.make_stream = [&] { return std::make_unique<kernels::cuda::RecordingStream>(replayed); };
  options.engine.overlap = Overlap::kAlways;
  const auto actual = Outputs(requests, options);
  for (size_t i = 0; i < requests.size(); ++i) {
    SCOPED_TRACE("request " + std::to_string(i));
    ExpectSame(actual[i], expected[i]);
  }
  // Rows for 1, 2 and 4, tables for all of the context: each is tried once when it is recorded.
  EXPECT_EQ(replayed, 3 + 23) << "a decode of every token but the first";
}

}  // namespace
}  // namespace baton::engine
