#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "baton/base/clock.h"
#include "baton/device/host_memory.h"
#include "baton/device/host_stream.h"
#include "baton/engine/engine.h"
#include "baton/kernels/cpu_ops.h"
#include "baton/kv/kv_cache.h"
#include "baton/model/parallel_runner.h"
#include "step_engine.h"
#include "support/fake_grammar.h"
#include "support/late_device.h"

namespace baton::testing_support {

/// What an engine told about one sequence.
struct SequenceLog {
  std::vector<TokenId> tokens;
  std::vector<TokenOutput> outputs;
  FinishReason finish = FinishReason::kNone;
  std::optional<Status> failed;
  std::optional<engine::PromptBlocks> blocks;
  std::optional<TokenOutput> prefilled;
  bool ended() const { return finish != FinishReason::kNone || failed.has_value(); }
};

struct DriverOptions {
  engine::EngineOptions engine;
  int32_t blocks = 64;
  int32_t block_tokens = 16;
  DType kv_dtype = DType::kBFloat16;
  /// For each rank.
  int threads = 1;
  /// Of ranks 1, 2, ...; the engine's model is rank 0's then.
  std::vector<const model::Model*> other_shards = {};
  /// Takes requests with a grammar, of FakeGrammars.
  bool grammars = true;
  /// Computes there; the model's weights are there too. Null: on the CPU.
  device::LateDevice* device = nullptr;
  /// Those of ranks 1, 2, ..., which have their shards there.
  std::vector<device::LateDevice*> other_devices = {};
  /// On those devices: see RankRunner::Parts.
  int32_t replayed_rows = 0;
  /// Where not null, makes the streams of the ranks.
  std::function<std::unique_ptr<device::Stream>()> make_stream = {};
  /// Puts something between the engine and its runner.
  std::function<std::unique_ptr<model::StepRunner>(std::unique_ptr<model::StepRunner>)> wrap = {};
};

/// An engine with its memory on the calling thread, driven step by step. The cache starts as NaN.
/// Lives no longer than its device.
class EngineDriver final : public engine::EngineListener {
 public:
  EngineDriver(model::Model& model, const DriverOptions& options,
               const ops::Ops& ops = kernels::CpuOps());

  SequenceId Submit(Request request, engine::Goal goal = engine::Goal::kGenerate,
                    int32_t local_prefill_max_tokens = -1);
  /// Steps until nothing can be done.
  void RunUntilIdle();

  engine::StepEngine& engine() { return *engine_; }
  model::StepRunner& runner() { return *runner_; }
  kv::KvCache& cache(size_t rank = 0) { return ranks_[rank].cache; }
  SequenceLog& log(SequenceId sequence) { return logs_[sequence]; }
  const kv::BlockCounts& counts() const { return engine_->pool().counts(); }
  ManualClock& clock() { return clock_; }

  /// Called for each OnKvReady.
  std::function<void(SequenceId, int32_t layer_begin, int32_t layer_end, int32_t tokens)> kv_ready;

  void OnToken(SequenceId sequence, TokenOutput output) override;
  void OnFailed(SequenceId sequence, Status status) override;
  void OnBlocks(SequenceId sequence, engine::PromptBlocks blocks) override;
  void OnKvReady(SequenceId sequence, int32_t layer_begin, int32_t layer_end,
                 int32_t tokens) override;
  void OnPrefilled(SequenceId sequence, TokenOutput first) override;

 private:
  struct Rank {
    std::unique_ptr<device::Stream> stream;
    device::Allocation memory;
    kv::KvCache cache;
  };

  device::HostMemory host_;
  collective::Group group_;
  std::vector<Rank> ranks_;
  ManualClock clock_;
  FakeGrammars grammars_;
  std::unique_ptr<model::StepRunner> runner_;
  std::unique_ptr<engine::StepEngine> engine_;
  std::map<SequenceId, SequenceLog> logs_;
  uint64_t last_sequence_ = 0;
};

/// A request of random tokens with random sampling parameters, every third with a grammar of
/// FakeGrammars; greedy every third time.
Request RandomRequest(uint64_t seed, int32_t vocabulary, int32_t most_prompt_tokens,
                      int32_t most_new_tokens);

/// What a lone engine with plenty of everything answers: what every other must answer too.
std::vector<TokenId> ExpectedTokens(model::Model& model, const Request& request,
                                    DType kv_dtype = DType::kBFloat16,
                                    const std::vector<const model::Model*>& other_shards = {});

}  // namespace baton::testing_support
