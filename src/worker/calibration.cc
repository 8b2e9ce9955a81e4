#include "calibration.h"

#include <algorithm>
#include <memory>
#include <stop_token>
#include <utility>

#include "baton/base/units.h"
#include "baton/cost/step_model.h"

namespace baton::worker {
namespace {

/// Runs probes one after the other: so many sequences of so many prompt and output tokens.
class Calibrator final : public engine::EngineListener {
 public:
  struct Probe {
    int32_t sequences = 1;
    int32_t prompt_tokens = 0;
    int32_t output_tokens = 1;

    cost::StepShape shape() const {
      cost::StepShape one = cost::PrefillShape(0, prompt_tokens);
      one.decode_sequences = output_tokens - 1;
      one.decode_context = int64_t{output_tokens - 1} * prompt_tokens;
      cost::StepShape all;
      for (int32_t i = 0; i < sequences; ++i) all += one;
      return all;
    }
    int64_t steps(int32_t step_tokens) const {
      return CeilDiv(int64_t{sequences} * prompt_tokens, int64_t{step_tokens}) + output_tokens - 1;
    }
  };

  struct Limits {
    uint64_t vocabulary = 0;
    int32_t step_tokens = 0;
    TimePoint deadline;
  };

  Calibrator(std::vector<Probe> probes, const Limits& limits, Clock& clock)
      : probes_(std::move(probes)), limits_(limits), clock_(clock) {}

  std::vector<cost::StepSample> Run(engine::Engine& engine) {
    engine_ = &engine;
    Next();
    engine.Run(stop_.get_token());
    return std::move(samples_);
  }

  void OnStepEnd(const cost::StepShape& shape, Duration took) override {
    // The first one touches memory for the first time.
    if (std::exchange(warm_, true)) {
      samples_.push_back({.number = samples_.size() + 1, .shape = shape, .took = took});
      steps_.Learn(samples_.back());
    }
    if (clock_.Now() >= limits_.deadline) stop_.request_stop();
  }
  void OnToken(SequenceId, TokenOutput output) override {
    if (output.finish != FinishReason::kNone && --running_ == 0) Next();
  }
  void OnFailed(SequenceId, Status) override { stop_.request_stop(); }
  void OnBlocks(SequenceId, engine::PromptBlocks) override {}
  void OnKvReady(SequenceId, int32_t, int32_t, int32_t) override {}
  void OnPrefilled(SequenceId, TokenOutput) override {}

 private:
  /// Whether there is time for it, as far as those before it tell.
  bool Fits(const Probe& probe) const {
    if (!steps_.knows_prefill() || !steps_.knows_decode()) return true;
    const Duration takes = steps_.Predict(probe.shape(), probe.steps(limits_.step_tokens));
    return clock_.Now() + takes <= limits_.deadline;
  }

  void Next() {
    while (next_ < probes_.size() && !Fits(probes_[next_])) ++next_;
    if (next_ == probes_.size()) return void(stop_.request_stop());
    const Probe& probe = probes_[next_++];
    running_ = probe.sequences;
    for (int32_t i = 0; i < probe.sequences; ++i) {
      Request request;
      request.id = "calibration";
      // No two alike.
      for (int32_t t = 0; t < probe.prompt_tokens; ++t) {
        request.prompt.push_back(
            static_cast<TokenId>((t * 31 + sequence_ * 7 + 1) % limits_.vocabulary));
      }
      request.sampling = {.temperature = 0, .max_tokens = probe.output_tokens, .ignore_eos = true};
      if (!engine_->Submit({.sequence = SequenceId{++sequence_}, .request = std::move(request)})) {
        return void(stop_.request_stop());
      }
    }
  }

  const std::vector<Probe> probes_;
  const Limits limits_;
  Clock& clock_;
  engine::Engine* engine_ = nullptr;
  std::stop_source stop_;
  size_t next_ = 0;
  int32_t running_ = 0;
  uint64_t sequence_ = 0;
  bool warm_ = false;
  std::vector<cost::StepSample> samples_;
  cost::StepModel steps_;
};

/// Small ones first, so that a short budget has some of either kind of step.
std::vector<Calibrator::Probe> Probes(const engine::EngineOptions& options,
                                      const model::StepRunner& runner) {
  const int32_t cached = runner.blocks() * runner.block_tokens();
  const int32_t most = std::min(options.context_tokens, cached) - 8;
  std::vector<Calibrator::Probe> probes;
  const auto add = [&](Calibrator::Probe probe) {
    const int32_t length = probe.prompt_tokens + probe.output_tokens;
    if (probe.prompt_tokens > 0 && length <= most &&
        probe.sequences * (length + runner.block_tokens()) <= cached / 2 &&
        probe.sequences <= std::min(options.running_sequences, options.waiting_sequences)) {
      probes.push_back(probe);
    }
  };
  add({.prompt_tokens = 8});
  add({.prompt_tokens = 16, .output_tokens = 3});
  add({.prompt_tokens = 64});
  add({.sequences = 4, .prompt_tokens = 8, .output_tokens = 3});
  add({.prompt_tokens = std::min(options.step_tokens, 256), .output_tokens = 3});
  add({.sequences = 16, .prompt_tokens = 8, .output_tokens = 3});
  add({.prompt_tokens = 2 * options.step_tokens, .output_tokens = 3});
  return probes;
}

}  // namespace

std::vector<cost::StepSample> Calibrate(engine::EngineOptions options, CalibrationBench bench,
                                        Duration budget) {
  options.prefix_cache = false;
  options.constraints = nullptr;
  std::vector<Calibrator::Probe> probes = Probes(options, bench.runner);
  if (probes.size() < 2) return {};
  Calibrator calibrator(std::move(probes),
                        {.vocabulary = static_cast<uint64_t>(bench.model.config().vocabulary),
                         .step_tokens = options.step_tokens,
                         .deadline = bench.clock.Now() + budget},
                        bench.clock);
  auto engine = engine::Engine::Create(options, bench.model, bench.runner, calibrator, bench.clock);
  if (!engine.ok()) return {};  // Which the worker's own engine will say.
  return calibrator.Run(**engine);
}

}  // namespace baton::worker
