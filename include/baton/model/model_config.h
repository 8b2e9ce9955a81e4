#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "baton/base/dtype.h"
#include "baton/base/ids.h"
#include "baton/base/status.h"

namespace baton::model {

/// How the rotary frequencies are stretched for contexts longer than the model was trained on.
struct RopeScaling {
  enum class Kind : uint8_t { kNone, kLinear, kLlama3 };
  Kind kind = Kind::kNone;
  float factor = 1;
  /// kLlama3 only.
  float low_freq_factor = 1;
  float high_freq_factor = 4;
  float original_context_tokens = 0;

  bool operator==(const RopeScaling&) const = default;
};

/// What config.json says about the mathematics of a decoder-only model: Llama and its relatives
/// (src/model/families.h).
struct ModelConfig {
  /// E.g. "LlamaForCausalLM".
  std::string architecture;
  int32_t layers = 0;
  int32_t hidden = 0;        ///< E
  int32_t intermediate = 0;  ///< F
  int32_t query_heads = 0;   ///< H
  int32_t kv_heads = 0;      ///< G
  int32_t head_dim = 0;      ///< D
  int32_t vocabulary = 0;    ///< V
  int32_t context_tokens = 0;
  float rms_norm_eps = 1e-6f;
  float rope_theta = 10000;
  RopeScaling rope_scaling;
  /// [layers]: positions that attention looks back on; 0 is all.
  std::vector<int32_t> windows;
  bool tied_embeddings = false;
  /// Biases of the projections to q, k and v, and of the one behind attention.
  bool qkv_bias = false;
  bool output_bias = false;
  bool mlp_bias = false;
  /// The heads of q and k are normalized before they are rotated.
  bool qk_norm = false;
  /// The file has q, k and v in one tensor, and gate and up.
  bool fused_projections = false;
  std::optional<TokenId> bos_token;
  /// From config.json; generation_config.json goes before it, see Model::eos_tokens().
  std::vector<TokenId> eos_tokens;

  /// Reads `folder`/config.json. Fields that change the result and are not supported are refused by
  /// name, and so are unknown fields unless they are in `ignored_fields` or say nothing (null,
  /// false, 0, empty). *Fails with* NotFound, InvalidArgument, Unimplemented; each names the file.
  static Result<ModelConfig> Load(const std::filesystem::path& folder,
                                  const std::vector<std::string>& ignored_fields = {});

  /// Everything above in a fixed order, for the fingerprint.
  std::string ToString() const;
  bool operator==(const ModelConfig&) const = default;
};

/// What generation_config.json recommends; absent fields stay empty.
struct GenerationConfig {
  std::vector<TokenId> eos_tokens;
  std::optional<bool> do_sample;
  std::optional<float> temperature;
  std::optional<int32_t> top_k;
  std::optional<float> top_p;
  std::optional<float> min_p;
  std::optional<float> repetition_penalty;

  /// A folder without the file gives an empty one. *Fails with* InvalidArgument naming the file.
  static Result<GenerationConfig> Load(const std::filesystem::path& folder);
};

}  // namespace baton::model
