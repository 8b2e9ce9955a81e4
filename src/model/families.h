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
  };

  /// As in `architectures`.
  const char* name = "";
  Windows windows = Windows::kNone;
  /// Where the file has no `sliding_window`; null there means none.
  int32_t default_window = 0;
  bool qkv_bias = false;
  bool qk_norm = false;
  bool fused_projections = false;
};

/// Null for an architecture that Baton does not have.
const Family* FindFamily(const std::string& architecture);

/// All of them, for messages.
std::string FamilyNames();

}  // namespace baton::model
