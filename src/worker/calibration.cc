#include "calibration.h"

#include <algorithm>
#include <memory>
#include <stop_token>
#include <utility>

namespace baton::worker {
namespace {

/// Runs probes one after the other: so many sequences of so many prompt and output tokens.
class Calibrator final : public engine::EngineListener {
 public:
  struct Probe {
    int32_t sequences = 1;
    int32_t prompt_tokens = 0;
    int32_t output_tokens = 1;
  };

  Calibrator(std::vector<Probe> probes, const model::Model& model, TimePoint deadline, Clock& clock)
      : probes_(std::move(probes)),
        vocabulary_(model.config().vocabulary),
        deadline_(deadline),
        clock_(clock) {}

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
    }
    if (clock_.Now() >= deadline_) stop_.request_stop();
  }
  void OnToken(SequenceId, TokenOutput output) override {
    if (output.finish != FinishReason::kNone && --running_ == 0) Next();
  }
  void OnFailed(SequenceId, Status) override { stop_.request_stop(); }
  void OnBlocks(SequenceId, engine::PromptBlocks) override {}
  void OnKvReady(SequenceId, int32_t, int32_t, int32_t) override {}
  void OnPrefilled(SequenceId, TokenOutput) override {}

 private:
  void Next() {
    if (next_ == probes_.size()) return void(stop_.request_stop());
    const Probe& probe = probes_[next_++];
    running_ = probe.sequences;
    for (int32_t i = 0; i < probe.sequences; ++i) {
      Request request;
      request.id = "calibration";
      // No two alike.
      for (int32_t t = 0; t < probe.prompt_tokens; ++t) {
        request.prompt.push_back(static_cast<TokenId>((t * 31 + sequence_ * 7 + 1) % vocabulary_));
      }
      request.sampling = {.temperature = 0, .max_tokens = probe.output_tokens, .ignore_eos = true};
      if (!engine_->Submit({.sequence = SequenceId{++sequence_}, .request = std::move(request)})) {
        return void(stop_.request_stop());
      }
    }
  }

  const std::vector<Probe> probes_;
  const uint64_t vocabulary_;
  const TimePoint deadline_;
  Clock& clock_;
  engine::Engine* engine_ = nullptr;
  std::stop_source stop_;
  size_t next_ = 0;
  int32_t running_ = 0;
  uint64_t sequence_ = 0;
  bool warm_ = false;
  std::vector<cost::StepSample> samples_;
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
  add({.prompt_tokens = 16, .output_tokens = 6});
  add({.prompt_tokens = 64});
  add({.sequences = 4, .prompt_tokens = 8, .output_tokens = 6});
  add({.prompt_tokens = std::min(options.step_tokens, 256), .output_tokens = 4});
  add({.sequences = 16, .prompt_tokens = 8, .output_tokens = 4});
  add({.prompt_tokens = 2 * options.step_tokens, .output_tokens = 4});
  return probes;
}

}  // namespace

std::vector<cost::StepSample> Calibrate(engine::EngineOptions options, CalibrationBench bench,
                                        Duration budget) {
  options.prefix_cache = false;
  options.constraints = nullptr;
  std::vector<Calibrator::Probe> probes = Probes(options, bench.runner);
  if (probes.size() < 2) return {};
  Calibrator calibrator(std::move(probes), bench.model, bench.clock.Now() + budget, bench.clock);
  auto engine = engine::Engine::Create(options, bench.model, bench.runner, calibrator, bench.clock);
  if (!engine.ok()) return {};  // Which the worker's own engine will say.
  return calibrator.Run(**engine);
}

}  // namespace baton::worker
