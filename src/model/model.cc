#include "baton/model/model.h"

#include "baton/device/host_memory.h"
#include "place_weights.h"
#include "rope.h"

namespace baton::model {

namespace {

Result<device::Allocation> Upload(const std::vector<float>& values, device::DeviceMemory& memory) {
  return device::UploadAndWait(std::as_bytes(std::span(values)), memory);
}

/// A shard is as it is in the whole, so random weights are made up whole first.
Result<Weights> LoadWeights(const std::filesystem::path& folder, const ModelConfig& config,
                            const Shard& shard, const LoadOptions& options) {
  if (!options.random_weights) {
    BATON_ASSIGN_OR_RETURN(Weights weights, Weights::Load(folder, config));
    weights.Narrow(config, shard);
    return weights;
  }
  Weights weights = Weights::Random(config);
  if (shard.ranks == 1) return weights;
  device::HostMemory host;
  BATON_RETURN_IF_ERROR(
      weights.Place(config, {.memory = host, .dtype = options.weights_dtype, .on_progress = {}}));
  weights.Narrow(config, shard);
  return weights;
}

std::string RoundingOf(ops::Packing packing) {
  if (packing == ops::Packing::kInt8) return " with int8 weights";
  if (packing == ops::Packing::kW8A8) return " with int8 weights and activations";
  if (packing == ops::Packing::kW16A16) return " with bfloat16 weights and activations";
  return "";
}

std::string ArithmeticOf(const ops::Ops* ops) {
  const std::string name = ops == nullptr ? "" : ops->arithmetic;
  return name.empty() ? name : "-" + name;
}

}  // namespace

Model::Model(ModelConfig config, const Shard& shard, GenerationConfig generation, Weights weights,
             const LoadOptions& options)
    : config_(std::move(config)),
      shard_(shard),
      generation_(std::move(generation)),
      weights_(std::move(weights)),
      eos_tokens_(generation_.eos_tokens.empty() ? config_.eos_tokens : generation_.eos_tokens),
      fingerprint_(weights_.Fingerprint(config_.ToString() + RoundingOf(options.packing)) +
                   ArithmeticOf(options.ops)) {}

Result<std::unique_ptr<Model>> Model::Load(const std::filesystem::path& folder,
                                           const LoadOptions& options) {
  BATON_ASSIGN_OR_RETURN(
      ModelConfig config,
      ModelConfig::Load(folder, options.ignored_config_fields, options.context_tokens));
  BATON_ASSIGN_OR_RETURN(GenerationConfig generation, GenerationConfig::Load(folder));
  BATON_ASSIGN_OR_RETURN(const Shard shard, Shard::Of(config, options.rank, options.ranks));
  BATON_ASSIGN_OR_RETURN(Weights weights, LoadWeights(folder, config, shard, options));
  std::unique_ptr<Model> model(
      new Model(std::move(config), shard, std::move(generation), std::move(weights), options));
  device::HostMemory host;
  device::DeviceMemory& memory = options.memory == nullptr ? host : *options.memory;
  if (options.memory != nullptr || (options.random_weights && options.ranks == 1)) {
    BATON_RETURN_IF_ERROR(model->weights_.Place(
        model->config_,
        {.memory = memory, .dtype = options.weights_dtype, .on_progress = options.on_progress}));
  }
  if (options.memory == nullptr && options.ops != nullptr && options.ops->packed_bytes != nullptr) {
    BATON_RETURN_IF_ERROR(model->weights_.Pack(*options.ops, options.packing, options.threads));
  }
  BATON_ASSIGN_OR_RETURN(model->inv_freq_, Upload(RopeFrequencies(model->config_), memory));
  if (model->config_.local_rope_theta > 0) {
    BATON_ASSIGN_OR_RETURN(model->local_inv_freq_,
                           Upload(LocalRopeFrequencies(model->config_), memory));
  }
  for (const TokenId token : model->eos_tokens()) {
    if (token >= model->config().vocabulary) {
      return InvalidArgument(folder.string() + ": end-of-sequence token " + std::to_string(token) +
                             " is outside the vocabulary of " +
                             std::to_string(model->config().vocabulary));
    }
  }
  return model;
}

kv::KvGeometry Model::KvGeometry(int32_t block_tokens, DType kv_dtype) const {
  return {.layers = config_.layers,
          .kv_heads = config_.kv_heads,
          .head_dim = config_.head_dim,
          .block_tokens = block_tokens,
          .dtype = kv_dtype,
          .tp_size = shard_.ranks};
}

}  // namespace baton::model
