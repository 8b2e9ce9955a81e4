#include "support/engine_driver.h"

#include <cstring>

#include <gtest/gtest.h>

#include "baton/base/random.h"

namespace baton::testing_support {

using engine::Engine;
using engine::StepEngine;

namespace {

std::unique_ptr<device::Stream> MakeStream(const DriverOptions& options, device::LateDevice* late) {
  if (options.make_stream) return options.make_stream();
  if (late != nullptr) return late->MakeStream();
  return std::make_unique<device::HostStream>(options.threads);
}

}  // namespace

EngineDriver::EngineDriver(model::Model& model, const DriverOptions& options, const ops::Ops& ops) {
  engine::EngineOptions engine = options.engine;
  if (options.grammars) engine.constraints = &grammars_;
  const auto limits = engine::LimitsFor(engine, model.config());
  BATON_CHECK(limits.ok()) << limits.status();
  const bool late = options.device != nullptr;
  std::vector<device::LateDevice*> devices = {options.device};
  devices.insert(devices.end(), options.other_devices.begin(), options.other_devices.end());
  const auto memory_of = [&](size_t rank) -> device::DeviceMemory& {
    if (!late) return host_;
    return *devices[rank];
  };
  std::vector<const model::Model*> shards = {&model};
  shards.insert(shards.end(), options.other_shards.begin(), options.other_shards.end());
  const auto ranks = static_cast<int32_t>(shards.size());
  group_ = late ? device::MakeLateGroup(ranks) : collective::MakeHostGroup(ranks);
  const kv::KvGeometry geometry = model.KvGeometry(options.block_tokens, options.kv_dtype);
  const auto bytes = static_cast<size_t>(geometry.block_bytes() * options.blocks);
  for (size_t rank = 0; rank < shards.size(); ++rank) {
    device::Allocation memory = *memory_of(rank).Allocate(bytes);
    if (!late) std::memset(memory.get(), 0xFF, bytes);
    const kv::KvCache cache = *kv::KvCache::Create(geometry, {memory.get(), bytes});
    ranks_.push_back({.stream = MakeStream(options, late ? devices[rank] : nullptr),
                      .memory = std::move(memory),
                      .cache = cache});
  }
  std::vector<model::RankRunner::Parts> parts;
  for (size_t rank = 0; rank < shards.size(); ++rank) {
    parts.push_back({.model = *shards[rank],
                     .cache = ranks_[rank].cache,
                     .ops = late ? device::LateOps() : ops,
                     .stream = *ranks_[rank].stream,
                     .memory = memory_of(rank),
                     .communicator = group_[rank].get(),
                     .replayed_rows = options.replayed_rows});
  }
  if (parts.size() == 1) {
    runner_ = *model::RankRunner::Create(parts.front(), *limits);
  } else {
    runner_ = *model::ParallelRunner::Create(parts, *limits);
  }
  const Status recorded = runner_->RecordAndWait({});
  BATON_CHECK(recorded.ok()) << recorded;
  if (options.wrap) runner_ = options.wrap(std::move(runner_));
  auto created = Engine::Create(engine, model, *runner_, *this, clock_);
  BATON_CHECK(created.ok()) << created.status();
  engine_.reset(static_cast<StepEngine*>((*std::move(created)).release()));
}

SequenceId EngineDriver::Submit(Request request, engine::Goal goal,
                                int32_t local_prefill_max_tokens) {
  const SequenceId sequence{++last_sequence_};
  EXPECT_TRUE(engine_->Submit({.sequence = sequence,
                               .request = std::move(request),
                               .goal = goal,
                               .local_prefill_max_tokens = local_prefill_max_tokens}));
  return sequence;
}

void EngineDriver::RunUntilIdle() {
  for (int steps = 0; engine_->Step(); ++steps) {
    BATON_CHECK(steps < 100'000) << "no end in sight";
  }
}

void EngineDriver::OnToken(SequenceId sequence, TokenOutput output) {
  SequenceLog& log = logs_[sequence];
  EXPECT_FALSE(log.ended()) << "a token after the end";
  log.tokens.push_back(output.token);
  log.finish = output.finish;
  log.outputs.push_back(std::move(output));
}

void EngineDriver::OnFailed(SequenceId sequence, Status status) {
  SequenceLog& log = logs_[sequence];
  EXPECT_FALSE(log.ended()) << "failed after the end";
  log.failed = std::move(status);
}

void EngineDriver::OnBlocks(SequenceId sequence, engine::PromptBlocks blocks) {
  EXPECT_FALSE(logs_[sequence].blocks.has_value());
  logs_[sequence].blocks = std::move(blocks);
}

void EngineDriver::OnKvReady(SequenceId sequence, int32_t layer_begin, int32_t layer_end,
                             int32_t tokens) {
  EXPECT_TRUE(logs_[sequence].blocks.has_value());
  if (kv_ready) kv_ready(sequence, layer_begin, layer_end, tokens);
}

void EngineDriver::OnPrefilled(SequenceId sequence, TokenOutput first) {
  EXPECT_FALSE(logs_[sequence].prefilled.has_value());
  logs_[sequence].prefilled = std::move(first);
}

Request RandomRequest(uint64_t seed, int32_t vocabulary, int32_t most_prompt_tokens,
                      int32_t most_new_tokens) {
  Random random(seed);
  const auto below = [&](int32_t bound) {
    return static_cast<int32_t>(random.Below(static_cast<uint64_t>(bound)));
  };
  Request request{.id = "r" + std::to_string(seed)};
  // One of few beginnings, so that prefixes are shared.
  Random beginning(random.Below(3));
  const int32_t tokens = 1 + below(most_prompt_tokens);
  const int32_t shared = below(tokens + 1);
  for (int32_t i = 0; i < tokens; ++i) {
    Random& source = i < shared ? beginning : random;
    request.prompt.push_back(static_cast<TokenId>(source.Below(static_cast<uint64_t>(vocabulary))));
  }
  SamplingParams& sampling = request.sampling;
  sampling.max_tokens = 1 + below(most_new_tokens);
  sampling.seed = random.Next();
  sampling.temperature = seed % 3 == 0 ? 0.0f : 0.7f + 0.1f * static_cast<float>(below(6));
  if (below(2) == 0) sampling.top_k = 1 + below(20);
  if (below(2) == 0) sampling.top_p = 0.9f;
  if (below(3) == 0) sampling.repetition_penalty = 1.2f;
  if (below(3) == 0) sampling.frequency_penalty = 0.3f;
  if (below(3) == 0) sampling.min_tokens = below(sampling.max_tokens);
  sampling.ignore_eos = below(3) == 0;
  if (below(3) == 0) {
    for (TokenId token = below(9); token < vocabulary; token += 1 + below(9)) {
      sampling.logit_bias.push_back({.token = token, .bias = static_cast<float>(below(9) - 4)});
    }
  }
  if (below(3) == 0) {
    const int32_t least = below(most_new_tokens);
    request.grammar = std::to_string(least) + " " + std::to_string(least + below(most_new_tokens)) +
                      " " + std::to_string(1 + below(6));
  }
  return request;
}

std::vector<TokenId> ExpectedTokens(model::Model& model, const Request& request, DType kv_dtype,
                                    const std::vector<const model::Model*>& other_shards) {
  DriverOptions options{.kv_dtype = kv_dtype, .other_shards = other_shards};
  options.engine = {.step_tokens = 512, .running_sequences = 1, .prefix_cache = false};
  EngineDriver driver(model, options);
  const SequenceId sequence = driver.Submit(request);
  driver.RunUntilIdle();
  EXPECT_NE(driver.log(sequence).finish, FinishReason::kNone);
  return driver.log(sequence).tokens;
}

}  // namespace baton::testing_support
