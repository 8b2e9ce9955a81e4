#include "baton/model/model_config.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <sstream>
#include <string_view>

#include "baton/base/logging.h"
#include "families.h"
#include "json_fields.h"

namespace baton::model {
namespace {

using nlohmann::json;

/// Fields that do not change the result of a forward pass in evaluation.
// clang-format off
constexpr std::string_view kHarmless[] = {
    "_attn_implementation", "_attn_implementation_autoset", "_commit_hash",
    "_flash_attn_2_enabled", "_from_model_config", "_name_or_path", "attention_dropout",
    "attn_implementation", "auto_map", "bos_token", "cache_implementation",
    "chunk_size_feed_forward",
    "decoder_start_token_id", "do_sample", "dtype", "embd_pdrop", "eos_token", "finetuning_task",
    "full_attn_mod",
    "hidden_dropout", "id2label",
    "initializer_range", "interpolate_factor", "is_decoder", "is_encoder_decoder", "is_llama_config", "label2id",
    "length_penalty", "license", "max_length", "max_new_tokens", "max_sequence_length",
    "min_length", "model_type", "neftune_noise_alpha", "num_beams", "num_labels",
    "num_return_sequences", "output_attentions",
    "output_hidden_states", "pad_token", "pad_token_id", "prefix", "pretraining_tp",
    "problem_type", "pruned_heads", "repetition_penalty", "resid_pdrop", "return_dict",
    "sep_token_id",
    "task_specific_params", "temperature", "tf_legacy_loss", "tokenizer_class", "top_k",
    "top_p", "torch_dtype", "torchscript", "transformers.js_config", "transformers_version",
    "typical_p", "unk_token_id", "unsloth_fixed", "unsloth_version", "use_bfloat16",
    "use_cache", "use_flash_attn", "vocab_size_multiple"};
// clang-format on

bool IsHarmless(std::string_view name) {
  return std::find(std::begin(kHarmless), std::end(kHarmless), name) != std::end(kHarmless);
}

/// null, false, 0, "" and empty lists and objects turn nothing on.
bool SaysNothing(const json& value) {
  if (value.is_null() || value == false) return true;
  if (value.is_number()) return value == 0;
  if (value.is_string()) return value.get_ref<const std::string&>().empty();
  return value.is_structured() && value.empty();
}

void RefuseUnknown(JsonFields& fields, const std::vector<std::string>& ignored) {
  for (const auto& [name, value] : fields.object().items()) {
    if (fields.asked(name) || SaysNothing(value)) continue;
    if (IsHarmless(name)) continue;
    if (std::find(ignored.begin(), ignored.end(), name) != ignored.end()) {
      BATON_LOG(Warning) << fields.where() << ": " << name << " is ignored, as configured";
      continue;
    }
    fields.Fail(StatusCode::kUnimplemented, name,
                "= " + value.dump() +
                    " is not known to Baton and could change the result; if it does not, list it "
                    "among the fields to ignore");
  }
}

/// A list of R / 2 numbers above 0.
std::vector<float> ReadFactors(JsonFields& rope, const std::string& name, int32_t rotary_dim) {
  rope.Ignore(name);
  std::vector<float> factors;
  const auto list = rope.object().find(name);
  const bool fits = list != rope.object().end() && list->is_array() &&
                    list->size() == static_cast<size_t>(rotary_dim / 2);
  for (size_t i = 0; fits && i < list->size(); ++i) {
    if ((*list)[i].is_number() && (*list)[i].get<double>() > 0) {
      factors.push_back((*list)[i].get<float>());
    }
  }
  if (factors.size() != static_cast<size_t>(rotary_dim / 2)) {
    rope.Fail(StatusCode::kInvalidArgument, name,
              "must be a list of " + std::to_string(rotary_dim / 2) + " numbers above 0");
  }
  return factors;
}

/// Source: Ding et al., "LongRoPE", 2024, as in Hugging Face transformers.
void ReadLongRope(JsonFields& rope, double original_tokens, int32_t served_tokens,
                  ModelConfig& config) {
  RopeScaling& scaling = config.rope_scaling;
  const std::vector<float> short_factors = ReadFactors(rope, "short_factor", config.rotary_dim);
  const std::vector<float> long_factors = ReadFactors(rope, "long_factor", config.rotary_dim);
  scaling.kind = RopeScaling::Kind::kLongRope;
  scaling.original_context_tokens = static_cast<float>(original_tokens);
  const int32_t served = served_tokens > 0 ? served_tokens : config.context_tokens;
  scaling.factors = served > original_tokens ? long_factors : short_factors;
  const double stretch = config.context_tokens / original_tokens;
  const double factor =
      stretch > 1 ? std::sqrt(1 + std::log(stretch) / std::log(original_tokens)) : 1;
  scaling.attention_factor = static_cast<float>(rope.Number("attention_factor").value_or(factor));
}

void ReadRopeScaling(JsonFields& fields, const std::string& name, int32_t served_tokens,
                     ModelConfig& config) {
  const json* object = fields.Object(name);
  if (object == nullptr) return;
  JsonFields rope(*object, fields.where() + ": " + name);
  const std::string type =
      rope.String("rope_type").value_or(rope.String("type").value_or("default"));
  RopeScaling& scaling = config.rope_scaling;
  if (const auto theta = rope.Number("rope_theta")) config.rope_theta = static_cast<float>(*theta);
  const auto positive = [&](const char* field) {
    const double value = rope.Number(field).value_or(0);
    if (!(value > 0)) rope.Fail(StatusCode::kInvalidArgument, field, "must be above 0");
    return static_cast<float>(value);
  };
  if (type == "linear") {
    scaling.kind = RopeScaling::Kind::kLinear;
    scaling.factor = positive("factor");
  } else if (type == "llama3") {
    scaling.kind = RopeScaling::Kind::kLlama3;
    scaling.factor = positive("factor");
    scaling.low_freq_factor = positive("low_freq_factor");
    scaling.high_freq_factor = positive("high_freq_factor");
    scaling.original_context_tokens = positive("original_max_position_embeddings");
    if (!(scaling.high_freq_factor > scaling.low_freq_factor)) {
      rope.Fail(StatusCode::kInvalidArgument, "high_freq_factor", "must exceed low_freq_factor");
    }
  } else if (type == "longrope" || type == "su") {
    const auto original = fields.Number("original_max_position_embeddings");
    ReadLongRope(rope, original.value_or(config.context_tokens), served_tokens, config);
  } else if (type != "default") {
    rope.Fail(StatusCode::kUnimplemented, "rope_type",
              "= \"" + type + "\" is not supported; default, linear, llama3 and longrope are");
  }
  rope.Ignore("partial_rotary_factor");  // ReadRotaryDim does.
  // Written by some exporters whatever the type.
  for (const char* unused : {"factor", "original_max_position_embeddings"}) rope.Ignore(unused);
  RefuseUnknown(rope, {});
  if (!rope.status().ok()) fields.Fail(rope.status().code(), name, rope.status().message());
}

void ReadShape(JsonFields& fields, ModelConfig& config) {
  constexpr int64_t kMost = 1 << 24;
  config.layers = fields.RequiredInteger("num_hidden_layers", 1, 10'000);
  config.hidden = fields.RequiredInteger("hidden_size", 1, kMost);
  config.intermediate = fields.RequiredInteger("intermediate_size", 1, kMost);
  config.query_heads = fields.RequiredInteger("num_attention_heads", 1, 65'536);
  config.vocabulary = fields.RequiredInteger("vocab_size", 1, kMost);
  config.context_tokens = fields.RequiredInteger("max_position_embeddings", 1, 1 << 30);
  if (!fields.status().ok()) return;
  config.kv_heads = static_cast<int32_t>(
      fields.Integer("num_key_value_heads", 1, config.query_heads).value_or(config.query_heads));
  const int32_t usual = FindFamily(config.architecture)->default_head_dim;
  config.head_dim =
      static_cast<int32_t>(fields.Integer("head_dim", 1, 4096)
                               .value_or(usual > 0 ? usual : config.hidden / config.query_heads));
  if (config.query_heads % config.kv_heads != 0) {
    fields.Fail(StatusCode::kInvalidArgument, "num_attention_heads",
                "must be a multiple of num_key_value_heads");
  }
  if (config.head_dim < 2 || config.head_dim % 2 != 0) {
    fields.Fail(StatusCode::kInvalidArgument, "head_dim",
                "must be even, got " + std::to_string(config.head_dim));
  }
}

/// R of config.json's share of a head.
void ReadRotaryDim(JsonFields& fields, ModelConfig& config) {
  double share = 1;
  for (const char* name : {"rope_scaling", "rope_parameters"}) {
    const json* rope = fields.Object(name);
    if (rope == nullptr || !rope->contains("partial_rotary_factor")) continue;
    JsonFields inner(*rope, fields.where() + ": " + name);
    share = inner.Number("partial_rotary_factor").value_or(share);
  }
  share = fields.Number("partial_rotary_factor").value_or(share);
  if (share != 1 && !FindFamily(config.architecture)->partial_rotary) {
    return fields.Fail(StatusCode::kUnimplemented, "partial_rotary_factor",
                       "other than 1 is not supported for this architecture");
  }
  config.rotary_dim = static_cast<int32_t>(config.head_dim * share);
  if (!(share > 0 && share <= 1) || config.rotary_dim < 2 || config.rotary_dim % 2 != 0) {
    fields.Fail(StatusCode::kInvalidArgument, "partial_rotary_factor",
                "must leave an even number of elements of a head, above 0");
  }
}

void ReadArchitecture(JsonFields& fields, ModelConfig& config) {
  const auto& object = fields.object();
  const auto names = object.find("architectures");
  fields.Ignore("architectures");
  if (names != object.end() && names->is_array() && names->size() == 1 && (*names)[0].is_string()) {
    config.architecture = (*names)[0];
  } else {
    fields.Fail(StatusCode::kInvalidArgument, "architectures", "must be a list of one name");
  }
  if (FindFamily(config.architecture) == nullptr) {
    fields.Fail(StatusCode::kUnimplemented, "architectures",
                "= \"" + config.architecture + "\" is not supported; " + FamilyNames() + " are");
  }
}

/// Which layers have the window, by their names in `layer_types`; all stays where it is absent.
void ReadLayerTypes(JsonFields& fields, int32_t window, ModelConfig& config) {
  const auto types = fields.object().find("layer_types");
  fields.Ignore("layer_types");
  if (types == fields.object().end() || types->is_null()) return;
  if (!types->is_array() || types->size() != config.windows.size()) {
    return fields.Fail(StatusCode::kInvalidArgument, "layer_types",
                       "must name the type of each layer");
  }
  for (size_t i = 0; i < config.windows.size(); ++i) {
    const json& type = (*types)[i];
    if (type != "full_attention" && type != "sliding_attention") {
      return fields.Fail(
          StatusCode::kUnimplemented, "layer_types",
          "holds " + type.dump() + "; full_attention and sliding_attention are supported");
    }
    config.windows[i] = type == "sliding_attention" ? window : 0;
  }
}

/// As `layer_types` has it, else the layers from max_window_layers on.
void ReadWindowedLayers(JsonFields& fields, int32_t window, ModelConfig& config) {
  const int64_t first = fields.Integer("max_window_layers", 0, 1 << 30).value_or(28);
  for (int32_t i = 0; i < config.layers; ++i) {
    config.windows[static_cast<size_t>(i)] = i >= first ? window : 0;
  }
  ReadLayerTypes(fields, window, config);
}

void ReadWindows(JsonFields& fields, const Family& family, ModelConfig& config) {
  config.windows.assign(static_cast<size_t>(config.layers), 0);
  const auto window = fields.Integer("sliding_window", 1, 1 << 30);
  // Llama has no window, whatever its file says; a default goes where the file says nothing.
  const auto value = static_cast<int32_t>(
      window.value_or(fields.object().contains("sliding_window") ? 0 : family.default_window));
  switch (family.windows) {
    case Family::Windows::kNone: break;
    case Family::Windows::kAllLayers:
      std::fill(config.windows.begin(), config.windows.end(), value);
      break;
    case Family::Windows::kAllButEachNth: {
      const int64_t period = fields.Integer("sliding_window_pattern", 1, 1 << 30)
                                 .value_or(fields.Integer("_sliding_window_pattern", 1, 1 << 30)
                                               .value_or(family.window_period));
      for (int32_t i = 0; i < config.layers; ++i) {
        config.windows[static_cast<size_t>(i)] = (i + 1) % period != 0 ? value : 0;
      }
      return ReadLayerTypes(fields, value, config);
    }
    case Family::Windows::kSomeLayers:
      ReadWindowedLayers(fields, fields.Bool("use_sliding_window").value_or(false) ? value : 0,
                         config);
  }
}

void ReadBiases(JsonFields& fields, const Family& family, ModelConfig& config) {
  const bool attention_bias = fields.Bool("attention_bias").value_or(false);
  config.qkv_bias = family.qkv_bias || attention_bias;
  config.output_bias = attention_bias;
  config.mlp_bias = fields.Bool("mlp_bias").value_or(false);
}

void ReadRope(JsonFields& fields, const Family& family, int32_t served_tokens,
              ModelConfig& config) {
  config.rope_theta =
      static_cast<float>(fields.Number("rope_theta").value_or(family.default_rope_theta));
  config.local_rope_theta = family.default_local_rope_theta;
  if (family.default_local_rope_theta > 0) {
    const auto local = fields.Number("rope_local_base_freq");
    config.local_rope_theta = static_cast<float>(local.value_or(family.default_local_rope_theta));
    if (!(config.local_rope_theta > 0)) {
      fields.Fail(StatusCode::kInvalidArgument, "rope_local_base_freq", "must be above 0");
    }
  }
  ReadRotaryDim(fields, config);
  if (!fields.status().ok()) return;
  ReadRopeScaling(fields, "rope_scaling", served_tokens, config);
  ReadRopeScaling(fields, "rope_parameters", served_tokens, config);
  fields.Ignore("original_max_position_embeddings");
  if (!(config.rope_theta > 0)) {
    fields.Fail(StatusCode::kInvalidArgument, "rope_theta", "must be above 0");
  }
}

void ReadActivation(JsonFields& fields, const Family& family, ModelConfig& config) {
  const std::string fallback = family.gemma ? "gelu_pytorch_tanh" : "silu";
  const auto plain = fields.String("hidden_act");
  // Gemma's files have both, of which only the second counts.
  const std::string name = family.gemma ? fields.String("hidden_activation").value_or(fallback)
                                        : plain.value_or(fallback);
  if (name == "gelu_pytorch_tanh") {
    config.activation = ModelConfig::Activation::kGeluTanh;
  } else if (name != "silu" && name != "swish") {
    fields.Fail(StatusCode::kUnimplemented, family.gemma ? "hidden_activation" : "hidden_act",
                "= \"" + name + "\" is not supported; silu and gelu_pytorch_tanh are");
  }
}

/// Scales and bounds of scores, embeddings and logits.
void ReadScales(JsonFields& fields, const Family& family, ModelConfig& config) {
  double per_score = config.head_dim;
  if (family.gemma) {
    per_score = fields.Number("query_pre_attn_scalar").value_or(256);
    const auto cap = [&](const char* name, float otherwise) {
      // null is none; only where the file says nothing it is the family's.
      const double value =
          fields.Number(name).value_or(fields.object().contains(name) ? 0 : otherwise);
      if (!(value >= 0)) fields.Fail(StatusCode::kInvalidArgument, name, "must not be below 0");
      return static_cast<float>(value);
    };
    config.attention_softcap = cap("attn_logit_softcapping", family.default_attention_softcap);
    config.logit_softcap = cap("final_logit_softcapping", family.default_logit_softcap);
    config.embedding_scale = std::sqrt(static_cast<float>(config.hidden));
    config.norm_offset = 1;
    config.post_norms = true;
  }
  if (!(per_score > 0)) {
    fields.Fail(StatusCode::kInvalidArgument, "query_pre_attn_scalar", "must be above 0");
  }
  config.attention_scale = 1.0f / std::sqrt(static_cast<float>(per_score));
}

void ReadMaths(JsonFields& fields, int32_t served_tokens, ModelConfig& config) {
  const Family& family = *FindFamily(config.architecture);
  config.qk_norm = family.qk_norm;
  config.fused_projections = family.fused_projections;
  config.rms_norm_eps = static_cast<float>(fields.Number("rms_norm_eps").value_or(1e-6));
  ReadRope(fields, family, served_tokens, config);
  config.tied_embeddings = fields.Bool("tie_word_embeddings").value_or(family.tied_by_default);
  ReadBiases(fields, family, config);
  ReadWindows(fields, family, config);
  ReadActivation(fields, family, config);
  ReadScales(fields, family, config);
  if (fields.Object("quantization_config") != nullptr) {
    fields.Fail(StatusCode::kUnimplemented, "quantization_config",
                "is not supported: use a folder with bfloat16, float16 or float32 weights");
  }
  if (!(config.rms_norm_eps > 0)) {
    fields.Fail(StatusCode::kInvalidArgument, "rms_norm_eps", "must be above 0");
  }
}

}  // namespace

Result<ModelConfig> ModelConfig::Load(const std::filesystem::path& folder,
                                      const std::vector<std::string>& ignored_fields,
                                      int32_t served_tokens) {
  const auto path = folder / "config.json";
  BATON_ASSIGN_OR_RETURN(const json object, ReadJsonObject(path));
  JsonFields fields(object, path.string());
  ModelConfig config;
  ReadArchitecture(fields, config);
  if (!fields.status().ok()) return fields.status();
  ReadShape(fields, config);
  if (!fields.status().ok()) return fields.status();
  ReadMaths(fields, served_tokens, config);
  config.eos_tokens = fields.Tokens("eos_token_id");
  if (const auto bos = fields.Tokens("bos_token_id"); !bos.empty()) config.bos_token = bos.front();
  RefuseUnknown(fields, ignored_fields);
  if (!fields.status().ok()) return fields.status();
  return config;
}

std::string ModelConfig::ToString() const {
  std::ostringstream text;
  text << std::hexfloat << architecture << " layers=" << layers << " hidden=" << hidden
       << " intermediate=" << intermediate << " query_heads=" << query_heads
       << " kv_heads=" << kv_heads << " head_dim=" << head_dim << " vocabulary=" << vocabulary
       << " rms_norm_eps=" << rms_norm_eps << " rope_theta=" << rope_theta
       << " rope_scaling=" << static_cast<int>(rope_scaling.kind) << "," << rope_scaling.factor
       << "," << rope_scaling.low_freq_factor << "," << rope_scaling.high_freq_factor << ","
       << rope_scaling.original_context_tokens << " tied=" << tied_embeddings
       << " biases=" << qkv_bias << output_bias << mlp_bias << " qk_norm=" << qk_norm
       << " local_rope_theta=" << local_rope_theta << " rotary_dim=" << rotary_dim
       << " attention_factor=" << rope_scaling.attention_factor
       << " activation=" << static_cast<int>(activation) << " scales=" << embedding_scale << ","
       << attention_scale << " caps=" << attention_softcap << "," << logit_softcap
       << " norms=" << norm_offset << "," << post_norms << " windows=";
  for (const int32_t window : windows) text << window << ",";
  text << " factors=";
  for (const float factor : rope_scaling.factors) text << factor << ",";
  return text.str();
}

Result<GenerationConfig> GenerationConfig::Load(const std::filesystem::path& folder) {
  const auto path = folder / "generation_config.json";
  if (!std::filesystem::exists(path)) return GenerationConfig{};
  BATON_ASSIGN_OR_RETURN(const json object, ReadJsonObject(path));
  JsonFields fields(object, path.string());
  const auto number = [&](const char* name) -> std::optional<float> {
    const auto value = fields.Number(name);
    return value ? std::optional(static_cast<float>(*value)) : std::nullopt;
  };
  GenerationConfig config;
  config.eos_tokens = fields.Tokens("eos_token_id");
  config.do_sample = fields.Bool("do_sample");
  config.temperature = number("temperature");
  if (const auto k = fields.Integer("top_k", 0, 1 << 30)) config.top_k = static_cast<int32_t>(*k);
  config.top_p = number("top_p");
  config.min_p = number("min_p");
  config.repetition_penalty = number("repetition_penalty");
  if (!fields.status().ok()) return fields.status();
  return config;
}

}  // namespace baton::model
