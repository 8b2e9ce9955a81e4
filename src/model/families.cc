#include "families.h"

#include <algorithm>
#include <iterator>

namespace baton::model {
namespace {

constexpr Family kFamilies[] = {
    {.name = "LlamaForCausalLM"},
    {.name = "MistralForCausalLM", .windows = Family::Windows::kAllLayers, .default_window = 4096},
    {.name = "Qwen2ForCausalLM",
     .windows = Family::Windows::kSomeLayers,
     .default_window = 4096,
     .qkv_bias = true},
    {.name = "Qwen3ForCausalLM",
     .windows = Family::Windows::kSomeLayers,
     .default_window = 4096,
     .qk_norm = true},
    {.name = "Phi3ForCausalLM",
     .windows = Family::Windows::kAllLayers,
     .fused_projections = true,
     .partial_rotary = true},
    {.name = "Gemma2ForCausalLM",
     .windows = Family::Windows::kAllButEachNth,
     .default_window = 4096,
     .window_period = 2,
     .gemma = true,
     .tied_by_default = true,
     .default_head_dim = 256,
     .default_attention_softcap = 50,
     .default_logit_softcap = 30},
    {.name = "Gemma3ForCausalLM",
     .windows = Family::Windows::kAllButEachNth,
     .default_window = 4096,
     .qk_norm = true,
     .window_period = 6,
     .gemma = true,
     .tied_by_default = true,
     .default_head_dim = 256,
     .default_rope_theta = 1'000'000,
     .default_local_rope_theta = 10'000},
};

}  // namespace

const Family* FindFamily(const std::string& architecture) {
  const auto* const found =
      std::find_if(std::begin(kFamilies), std::end(kFamilies),
                   [&](const Family& each) { return each.name == architecture; });
  return found == std::end(kFamilies) ? nullptr : found;
}

std::string FamilyNames() {
  std::string names;
  for (const Family& family : kFamilies)
    names += (names.empty() ? "" : ", ") + std::string(family.name);
  return names;
}

}  // namespace baton::model
