#include "oracle.h"

#include <algorithm>

#include "baton/base/check.h"
#include "support/engine_driver.h"
#include "support/fake_grammar.h"
#include "support/tiny_model.h"

namespace baton::simulation {
namespace {

using testing_support::DriverOptions;
using testing_support::EngineDriver;

constexpr int32_t kVocabulary = 64;

std::unique_ptr<model::Model> MakeModel() {
  const testing_support::TemporaryFolder folder;
  testing_support::WriteTinyModel(folder.path(), {.layers = 2,
                                                  .hidden = 16,
                                                  .intermediate = 24,
                                                  .query_heads = 2,
                                                  .kv_heads = 1,
                                                  .head_dim = 8,
                                                  .vocabulary = kVocabulary,
                                                  .context_tokens = 64,
                                                  .scale = 4});
  return *model::Model::Load(folder.path());
}

DriverOptions LoneEngine(int32_t block_tokens) {
  DriverOptions options{.block_tokens = block_tokens};
  options.engine = {.step_tokens = 512, .running_sequences = 1, .prefix_cache = false};
  return options;
}

}  // namespace

const ops::Ops& Oracle::ops() { return **kernels::CpuOpsFor("portable"); }

TokenConstraintFactory& Oracle::Grammars() {
  static testing_support::FakeGrammars grammars;
  return grammars;
}

Oracle::Oracle() : model_(MakeModel()), requests_(kRequests) {
  const kv::KvGeometry geometry = model_->KvGeometry(1, DType::kBFloat16);
  row_bytes_ = geometry.row_bytes();
  rows_ = geometry.block_bytes() / row_bytes_;
}

Oracle::~Oracle() = default;

const Expected& Oracle::Request(size_t index) {
  auto& expected = requests_.at(index);
  if (!expected) {
    expected = Compute(index);
    const bool added = by_seed_.emplace(expected->request.sampling.seed, expected.get()).second;
    BATON_CHECK(added) << "two requests with one seed";
  }
  return *expected;
}

std::span<const std::byte> Oracle::Row(const Expected& expected, int32_t position,
                                       int64_t row) const {
  const auto at = static_cast<size_t>((position * rows_ + row) * row_bytes_);
  return std::span(expected.kv).subspan(at, static_cast<size_t>(row_bytes_));
}

std::unique_ptr<Expected> Oracle::Compute(size_t index) {
  auto expected = std::make_unique<Expected>();
  expected->request = testing_support::RandomRequest(index, kVocabulary, kMostPrompt, kMostNew);
  expected->request.cache_salt = index % 7 == 0 ? 1 : 0;
  EngineDriver writer(*model_, LoneEngine(16), ops());
  expected->tokens = [&] {
    const SequenceId sequence = writer.Submit(expected->request);
    writer.RunUntilIdle();
    return writer.log(sequence).tokens;
  }();
  expected->all_tokens = expected->request.prompt;
  expected->all_tokens.insert(expected->all_tokens.end(), expected->tokens.begin(),
                              expected->tokens.end());
  // With one token per block, a block is one position and laid out as Expected::kv is.
  EngineDriver driver(*model_, LoneEngine(1), ops());
  baton::Request prompt = expected->request;
  prompt.prompt.assign(expected->all_tokens.begin(), expected->all_tokens.end() - 1);
  const SequenceId sequence = driver.Submit(prompt, engine::Goal::kPrefill);
  driver.RunUntilIdle();
  for (const BlockId block : driver.log(sequence).blocks->blocks) {
    const auto bytes = driver.cache().Block(block);
    expected->kv.insert(expected->kv.end(), bytes.begin(), bytes.end());
  }
  return expected;
}

}  // namespace baton::simulation
