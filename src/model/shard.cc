#include "baton/model/shard.h"

#include <string>

#include "baton/base/check.h"
#include "baton/collective/communicator.h"
#include "baton/kv/kv_geometry.h"

namespace baton::model {
namespace {

/// What does not divide; empty where `ranks` fits.
std::string Misfit(const ModelConfig& config, int32_t ranks) {
  const auto indivisible = [ranks](const char* field, int32_t value) {
    return std::string(field) + " is " + std::to_string(value) + ", no multiple of " +
           std::to_string(ranks);
  };
  if (ranks < 1 || ranks > kv::kMaxTpSize) {
    return "it must be from 1 to " + std::to_string(kv::kMaxTpSize);
  }
  if (config.query_heads % ranks != 0) {
    return indivisible("num_attention_heads", config.query_heads);
  }
  if (config.kv_heads % ranks != 0 && ranks % config.kv_heads != 0) {
    return indivisible("num_key_value_heads", config.kv_heads) + " nor does it divide it";
  }
  if (config.intermediate % ranks != 0) {
    return indivisible("intermediate_size", config.intermediate);
  }
  if (config.vocabulary < ranks) return "vocab_size is " + std::to_string(config.vocabulary);
  return "";
}

std::string Fitting(const ModelConfig& config) {
  std::string text;
  for (int32_t ranks = 1; ranks <= kv::kMaxTpSize; ++ranks) {
    if (Misfit(config, ranks).empty()) text += (text.empty() ? "" : ", ") + std::to_string(ranks);
  }
  return text;
}

}  // namespace

Result<Shard> Shard::Of(const ModelConfig& config, int32_t rank, int32_t ranks) {
  if (const std::string misfit = Misfit(config, ranks); !misfit.empty()) {
    return InvalidArgument("a tensor parallelism of " + std::to_string(ranks) +
                           " does not fit this model: " + misfit + "; what fits is " +
                           Fitting(config));
  }
  BATON_CHECK(rank >= 0 && rank < ranks);
  const kv::KvGeometry kv{.kv_heads = config.kv_heads, .tp_size = ranks};
  const auto tokens_before = [&](int32_t r) {
    return static_cast<int32_t>(collective::PartBegin(config.vocabulary, r, ranks));
  };
  Shard shard{.rank = rank, .ranks = ranks};
  shard.query_heads = config.query_heads / ranks;
  shard.first_query_head = rank * shard.query_heads;
  shard.kv_heads = kv.rank_kv_heads();
  shard.first_kv_head = kv.first_kv_head(rank);
  shard.intermediate = config.intermediate / ranks;
  shard.first_intermediate = rank * shard.intermediate;
  shard.first_token = tokens_before(rank);
  shard.tokens = tokens_before(rank + 1) - shard.first_token;
  return shard;
}

}  // namespace baton::model
