#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "baton/kv/kv_geometry.h"
#include "baton/model/model.h"
#include "baton/request/request.h"
#include "baton/request/token_constraint.h"

namespace baton::simulation {

/// What must become of a request wherever and however often it is computed.
struct Expected {
  Request request;
  /// The output.
  std::vector<TokenId> tokens;
  /// Prompt and output.
  std::vector<TokenId> all_tokens;
  /// KV of all tokens but the last: [position][layer][K|V][kv_head][dim].
  std::vector<std::byte> kv;
};

/// Answers, from a lone engine that nothing disturbs, what a cluster has to answer. All seeds of a
/// process share the requests and answers, each computed when first asked for.
class Oracle {
 public:
  Oracle();
  ~Oracle();

  model::Model& model() { return *model_; }
  /// The same on every host, so that a seed is.
  static const ops::Ops& ops();
  static TokenConstraintFactory& Grammars();
  /// REQUIRES: index < kRequests.
  const Expected& Request(size_t index);
  /// The request whose sampling has this seed. REQUIRES: Request() gave it before.
  const Expected& BySeed(uint64_t sampling_seed) const { return *by_seed_.at(sampling_seed); }
  bool Knows(uint64_t sampling_seed) const { return by_seed_.contains(sampling_seed); }

  /// K or V of one position, layer and head.
  std::span<const std::byte> Row(const Expected& expected, int32_t position, int64_t row) const;
  /// Rows that a position has: layers x {K, V} x heads.
  int64_t rows() const { return rows_; }

  static constexpr size_t kRequests = 384;
  static constexpr int32_t kMostPrompt = 26;
  static constexpr int32_t kMostNew = 24;

 private:
  std::unique_ptr<Expected> Compute(size_t index);

  std::unique_ptr<model::Model> model_;
  int64_t rows_ = 0;
  int64_t row_bytes_ = 0;
  std::vector<std::unique_ptr<Expected>> requests_;
  std::unordered_map<uint64_t, const Expected*> by_seed_;
};

}  // namespace baton::simulation
