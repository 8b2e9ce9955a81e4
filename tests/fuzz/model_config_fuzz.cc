#include "baton/model/model_config.h"
#include "fuzz_target.h"
#include "input_folder.h"
#include "input_reader.h"

namespace baton::fuzz {
namespace {

std::vector<std::string> Seeds() {
  const auto seed = [](const std::string& config, const std::string& generation) {
    return InputWriter().Part(config).Part(generation).bytes();
  };
  const std::string shape =
      R"("hidden_size":64,"intermediate_size":128,"num_attention_heads":4,"num_hidden_layers":2,)"
      R"("vocab_size":512,"max_position_embeddings":2048,"num_key_value_heads":2,"head_dim":16,)";
  return {
      seed(SourceFile("configs/models/baton-tiny/config.json"),
           SourceFile("configs/models/baton-tiny/generation_config.json")),
      seed(R"({"architectures":["MistralForCausalLM"],)" + shape +
               R"("rms_norm_eps":1e-5,"rope_theta":1e6,"sliding_window":4096,"hidden_act":"silu",)"
               R"("tie_word_embeddings":false,"bos_token_id":1,"eos_token_id":2,"new_field":[1]})",
           R"({"eos_token_id":[2,3],"do_sample":true,"temperature":0.6,"top_k":40,"top_p":0.9})"),
      seed(R"({"architectures":["LlamaForCausalLM"],)" + shape +
               R"("rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,)"
               R"("high_freq_factor":4.0,"original_max_position_embeddings":8192}})",
           "{}")};
}

/// What a forward pass relies on.
void CheckConfig(const model::ModelConfig& config) {
  BATON_CHECK(config.layers > 0 && config.hidden > 0 && config.intermediate > 0);
  BATON_CHECK(config.query_heads > 0 && config.kv_heads > 0);
  BATON_CHECK(config.query_heads % config.kv_heads == 0);
  BATON_CHECK(config.head_dim > 0 && config.head_dim % 2 == 0);
  BATON_CHECK(config.vocabulary > 0 && config.context_tokens > 0);
  BATON_CHECK(config.windows.size() == static_cast<size_t>(config.layers));
  for (const int32_t window : config.windows) BATON_CHECK(window >= 0);
  BATON_CHECK(config.rms_norm_eps > 0 && config.rope_theta > 0);
  for (const TokenId token : config.eos_tokens) BATON_CHECK(token >= 0);
  BATON_CHECK(!config.ToString().empty());
}

void Run(std::string_view input) {
  static const InputFolder folder;
  InputReader reader(input);
  folder.Write("config.json", reader.Part());
  folder.Write("generation_config.json", reader.Part());
  const auto config = model::ModelConfig::Load(folder.path());
  if (config.ok()) CheckConfig(*config);
  const auto generation = model::GenerationConfig::Load(folder.path());
  if (generation.ok()) {
    for (const TokenId token : generation->eos_tokens) BATON_CHECK(token >= 0);
  }
}

}  // namespace

const FuzzTarget kTarget{.max_bytes = 8192,
                         .seeds = &Seeds,
                         .words = {"\"architectures\"",
                                   "\"LlamaForCausalLM\"",
                                   "\"rope_scaling\":{",
                                   "\"rope_type\"",
                                   "\"rope_parameters\":{",
                                   "\"default\"",
                                   "\"linear\"",
                                   "\"llama3\"",
                                   "\"factor\":",
                                   "\"partial_rotary_factor\":",
                                   "\"quantization_config\":",
                                   "\"torch_dtype\":",
                                   "null",
                                   "true",
                                   "false",
                                   "1e999",
                                   "-1",
                                   "9223372036854775808",
                                   "18446744073709551615",
                                   "[[",
                                   "]]",
                                   "{\"a\":"},
                         .run = &Run};

}  // namespace baton::fuzz
