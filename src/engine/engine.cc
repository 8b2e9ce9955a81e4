#include "baton/engine/engine.h"

#include "step_engine.h"

namespace baton::engine {
namespace {

Status CheckOption(const char* name, int32_t value, int32_t least, int32_t most) {
  if (value >= least && value <= most) return OkStatus();
  return InvalidArgument(std::string(name) + " must be between " + std::to_string(least) + " and " +
                         std::to_string(most) + ", got " + std::to_string(value));
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::Create(const EngineOptions& options, model::Model& model,
                                               kv::KvCache& cache, const ops::Ops& ops,
                                               device::Stream& stream, EngineListener& listener,
                                               Clock& clock) {
  const model::ModelConfig& config = model.config();
  EngineOptions checked = options;
  if (checked.context_tokens == 0) checked.context_tokens = config.context_tokens;
  constexpr int32_t kMost = 1 << 20;
  BATON_RETURN_IF_ERROR(CheckOption("step_tokens", checked.step_tokens, 1, kMost));
  // Otherwise the decodes alone could fill every step, and no prompt would get ahead.
  BATON_RETURN_IF_ERROR(
      CheckOption("running_sequences", checked.running_sequences, 1, checked.step_tokens));
  BATON_RETURN_IF_ERROR(CheckOption("waiting_sequences", checked.waiting_sequences, 1, kMost));
  BATON_RETURN_IF_ERROR(
      CheckOption("context_tokens", checked.context_tokens, 2, config.context_tokens));
  BATON_RETURN_IF_ERROR(CheckOption("layer_group", checked.layer_group, 0, config.layers));
  const kv::KvGeometry& geometry = cache.geometry();
  BATON_RETURN_IF_ERROR(
      kv::CheckCompatible(geometry, model.KvGeometry(geometry.block_tokens, geometry.dtype)));
  return std::unique_ptr<Engine>(
      std::make_unique<StepEngine>(checked, model, cache, ops, stream, listener, clock));
}

}  // namespace baton::engine
