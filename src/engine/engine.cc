#include "baton/engine/engine.h"

#include "baton/base/check.h"
#include "step_engine.h"

namespace baton::engine {
namespace {

Status CheckOption(const char* name, int32_t value, int32_t least, int32_t most) {
  if (value >= least && value <= most) return OkStatus();
  return InvalidArgument(std::string(name) + " must be between " + std::to_string(least) + " and " +
                         std::to_string(most) + ", got " + std::to_string(value));
}

bool Fits(const model::StepLimits& needed, const model::StepLimits& has) {
  return needed.step_tokens <= has.step_tokens && needed.sequences <= has.sequences &&
         needed.context_tokens <= has.context_tokens && needed.top_logprobs == has.top_logprobs;
}

}  // namespace

Result<model::StepLimits> LimitsFor(const EngineOptions& options,
                                    const model::ModelConfig& config) {
  const int32_t context =
      options.context_tokens == 0 ? config.context_tokens : options.context_tokens;
  constexpr int32_t kMost = 1 << 20;
  BATON_RETURN_IF_ERROR(CheckOption("step_tokens", options.step_tokens, 1, kMost));
  // Otherwise the decodes alone could fill every step, and no prompt would get ahead.
  BATON_RETURN_IF_ERROR(
      CheckOption("running_sequences", options.running_sequences, 1, options.step_tokens));
  BATON_RETURN_IF_ERROR(CheckOption("waiting_sequences", options.waiting_sequences, 1, kMost));
  BATON_RETURN_IF_ERROR(CheckOption("context_tokens", context, 2, config.context_tokens));
  BATON_RETURN_IF_ERROR(CheckOption("layer_group", options.layer_group, 0, config.layers));
  return model::StepLimits{.step_tokens = options.step_tokens,
                           .sequences = options.running_sequences,
                           .context_tokens = context,
                           .top_logprobs = SamplingParams::kMaxTopLogprobs};
}

Result<std::unique_ptr<Engine>> Engine::Create(const EngineOptions& options,
                                               const model::Model& model, model::StepRunner& runner,
                                               EngineListener& listener, Clock& clock) {
  BATON_ASSIGN_OR_RETURN(const model::StepLimits limits, LimitsFor(options, model.config()));
  BATON_CHECK(Fits(limits, runner.limits())) << "a runner that was made for other options";
  EngineOptions checked = options;
  checked.context_tokens = limits.context_tokens;
  return std::unique_ptr<Engine>(
      std::make_unique<StepEngine>(checked, model, runner, listener, clock));
}

}  // namespace baton::engine
