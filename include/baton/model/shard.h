#pragma once

#include <cstdint>

#include "baton/base/status.h"
#include "baton/model/model_config.h"

namespace baton::model {

/// What one tensor-parallel rank of a model computes: some query heads and the KV heads that these
/// read, some columns of the feed-forward part, and the logits of some tokens. All ranks compute
/// everything else, and what their parts add to the residual is summed over them.
struct Shard {
  int32_t rank = 0;
  int32_t ranks = 1;
  int32_t first_query_head = 0;
  int32_t query_heads = 0;
  /// As kv::KvGeometry says; where ranks outnumber KV heads, neighbours hold the same one.
  int32_t first_kv_head = 0;
  int32_t kv_heads = 0;
  int32_t first_intermediate = 0;
  int32_t intermediate = 0;
  /// As collective::PartBegin says: the vocabulary need not divide.
  int32_t first_token = 0;
  int32_t tokens = 0;

  /// Fails with InvalidArgument naming what `ranks` does not divide, and the numbers that fit.
  /// REQUIRES: 0 <= rank < ranks.
  static Result<Shard> Of(const ModelConfig& config, int32_t rank, int32_t ranks);
};

}  // namespace baton::model
