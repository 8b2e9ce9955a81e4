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
  enum class Kind : uint8_t { kNone, kLinear, kLlama3, kLongRope };
  Kind kind = Kind::kNone;
  float factor = 1;
  /// kLlama3 only.
  float low_freq_factor = 1;
  float high_freq_factor = 4;
  float original_context_tokens = 0;
  /// kLongRope only, [R / 2]: what each frequency is divided by. Of the model's two lists the one
  /// for short contexts where no more than the original context is served, else that for long
  /// ones: for the life of the process, since keys in the cache are rotated already.
  std::vector<float> factors;
  /// Multiplies cos and sin.
  float attention_factor = 1;

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
  /// Of windowed layers, which have no scaling then; 0 where all layers have the same.
  float local_rope_theta = 0;
  int32_t rotary_dim = 0;  ///< R: elements of a head that are rotated.
  RopeScaling rope_scaling;
  /// [layers]: positions that attention looks back on; 0 is all.
  std::vector<int32_t> windows;
  bool tied_embeddings = false;
  enum class Activation : uint8_t { kSilu, kGeluTanh };
  Activation activation = Activation::kSilu;
  float embedding_scale = 1;
  /// Multiplies the scores of attention.
  float attention_scale = 1;
  /// What scores and logits stay below in magnitude; 0 is no bound.
  float attention_softcap = 0;
  float logit_softcap = 0;
  /// Added to the weights of norms.
  float norm_offset = 0;
  /// What attention and the feed-forward part add to the residual is normalized first.
  bool post_norms = false;
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
  /// `served_tokens`: the longest context that will be served, 0 for the model's own.
  static Result<ModelConfig> Load(const std::filesystem::path& folder,
                                  const std::vector<std::string>& ignored_fields = {},
                                  int32_t served_tokens = 0);

  /// Everything above in a fixed order, for the fingerprint.
  std::string ToString() const;
  bool operator==(const ModelConfig&) const = default;
};

/// What generation_config.json recommends; absent fields stay empty. Lengths (max_new_tokens,
/// max_length) and stop_strings are not read: how long an answer may get is the request's to say.
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
