#pragma once

#include <cstdint>
#include <string>

namespace baton::model {

/// What an architecture's name says about its mathematics; the rest is in config.json.
struct Family {
  enum class Windows : uint8_t {
    kNone,
    kAllLayers,
    /// Those that `layer_types` or `max_window_layers` name, if `use_sliding_window`.
    kSomeLayers,
    /// All but each `window_period`th, unless `layer_types` says otherwise.
    kAllButEachNth,
  };

  /// As in `architectures`.
  const char* name = "";
  Windows windows = Windows::kNone;
  /// Where the file has no `sliding_window`; null there means none.
  int32_t default_window = 0;
  bool qkv_bias = false;
  bool qk_norm = false;
  bool fused_projections = false;
  /// Part of a head may stay unrotated.
  bool partial_rotary = false;
  int32_t window_period = 0;
  /// What Gemma does: GELU in the feed-forward part, embeddings times sqrt(E), norms with weights
  /// stored as their distance from 1, and behind each part too.
  bool gemma = false;
  /// Where the file says nothing.
  bool tied_by_default = false;
  /// 0: E / H.
  int32_t default_head_dim = 0;
  float default_rope_theta = 10'000;
  /// Of windowed layers; 0 where all have the same.
  float default_local_rope_theta = 0;
  float default_attention_softcap = 0;
  float default_logit_softcap = 0;
};

/// Null for an architecture that Baton does not have.
const Family* FindFamily(const std::string& architecture);

/// All of them, for messages.
std::string FamilyNames();

}  // namespace baton::model
