#include "baton/model/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/tiny_model.h"

namespace baton::model {
namespace {

using testing::HasSubstr;
using testing_support::TemporaryFolder;
using testing_support::TinyModelOptions;
using Fields = std::map<std::string, std::string>;

Result<ModelConfig> LoadWith(const Fields& fields, const std::vector<std::string>& ignored = {}) {
  TemporaryFolder folder;
  TinyModelOptions options;
  options.config_fields = fields;
  WriteTinyModel(folder.path(), options);
  return ModelConfig::Load(folder.path(), ignored);
}

TEST(ModelConfig, ReadsAFolderAsTransformersWritesIt) {
  const auto config =
      LoadWith({{"attention_bias", "false"},
                {"attention_dropout", "0.0"},
                {"dtype", "\"bfloat16\""},
                {"eos_token_id", "[7, 8]"},
                {"initializer_range", "0.02"},
                {"pad_token_id", "3"},
                {"pretraining_tp", "1"},
                {"quantization_config", "null"},
                {"rope_scaling",
                 R"({"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                     "original_max_position_embeddings": 8192, "rope_type": "llama3"})"},
                {"transformers_version", "\"4.45.0\""},
                {"use_cache", "true"}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->kv_heads, 2);
  EXPECT_EQ(config->eos_tokens, (std::vector<TokenId>{7, 8}));
  EXPECT_EQ(config->rope_scaling, (RopeScaling{.kind = RopeScaling::Kind::kLlama3,
                                               .factor = 32,
                                               .low_freq_factor = 1,
                                               .high_freq_factor = 4,
                                               .original_context_tokens = 8192}));
}

TEST(ModelConfig, LoadsFieldsOfWellKnownFoldersThatChangeNothing) {
  EXPECT_TRUE(LoadWith({{"is_llama_config", "true"},
                        {"rope_interleaved", "false"},
                        {"_attn_implementation_autoset", "true"},
                        {"max_sequence_length", "2048"},
                        {"max_length", "4096"},
                        {"unsloth_version", "\"2024.9\""},
                        {"rope_parameters", R"({"rope_theta": 5e5, "rope_type": "default"})"},
                        {"transformers.js_config", R"({"kv_cache_dtype": {"q4f16": "float16"}})"}})
                  .ok());
}

TEST(ModelConfig, TakesHeadSizesFromOthersWhereTheyAreAbsent) {
  const auto config = LoadWith({{"head_dim", "null"}, {"num_key_value_heads", "null"}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->head_dim, 32 / 4);
  EXPECT_EQ(config->kv_heads, 4);
}

using Windows = std::vector<int32_t>;

TEST(ModelConfig, GivesASlidingWindowToMistralButNotToLlama) {
  const std::string mistral = "[\"MistralForCausalLM\"]";
  EXPECT_EQ(LoadWith({{"sliding_window", "128"}})->windows, (Windows{0, 0}));
  EXPECT_EQ(LoadWith({{"architectures", mistral}})->windows, (Windows{4096, 4096}));
  EXPECT_EQ(LoadWith({{"architectures", mistral}, {"sliding_window", "128"}})->windows,
            (Windows{128, 128}));
  EXPECT_EQ(LoadWith({{"architectures", mistral}, {"sliding_window", "null"}})->windows,
            (Windows{0, 0}));
}

TEST(ModelConfig, GivesAWindowToTheLayersOfQwenThatAreToHaveOne) {
  const Fields qwen = {{"architectures", "[\"Qwen2ForCausalLM\"]"},
                       {"use_sliding_window", "true"},
                       {"sliding_window", "128"},
                       {"max_window_layers", "1"}};
  const auto windows = [&](const std::string& field, const std::string& value) {
    Fields fields = qwen;
    fields[field] = value;
    return LoadWith(fields)->windows;
  };
  EXPECT_EQ(LoadWith(qwen)->windows, (Windows{0, 128}));
  EXPECT_EQ(windows("use_sliding_window", "false"), (Windows{0, 0}));
  EXPECT_EQ(windows("layer_types", R"(["sliding_attention", "full_attention"])"),
            (Windows{128, 0}));
}

TEST(ModelConfig, TakesFromTheArchitectureWhatTheFileDoesNotSay) {
  const auto qwen2 = LoadWith({{"architectures", "[\"Qwen2ForCausalLM\"]"}});
  EXPECT_TRUE(qwen2->qkv_bias);
  EXPECT_FALSE(qwen2->output_bias);
  const auto qwen3 = LoadWith({{"architectures", "[\"Qwen3ForCausalLM\"]"}});
  EXPECT_TRUE(qwen3->qk_norm);
  EXPECT_FALSE(qwen3->qkv_bias);
  EXPECT_TRUE(LoadWith({{"architectures", "[\"Phi3ForCausalLM\"]"}})->fused_projections);
}

TEST(ModelConfig, RefusesLayersOfATypeThatItDoesNotKnow) {
  const auto config = LoadWith({{"architectures", "[\"Qwen3ForCausalLM\"]"},
                                {"layer_types", R"(["full_attention", "linear_attention"])"}});
  EXPECT_EQ(config.status().code(), StatusCode::kUnimplemented);
  EXPECT_THAT(config.status().message(), HasSubstr("linear_attention"));
}

TEST(ModelConfig, GivesGemmaWhatItsFilesLeaveOut) {
  const auto config = LoadWith({{"architectures", "[\"Gemma2ForCausalLM\"]"},
                                {"tie_word_embeddings", "null"},
                                {"query_pre_attn_scalar", "64"},
                                {"final_logit_softcapping", "null"}});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->tied_embeddings);
  EXPECT_EQ(config->activation, ModelConfig::Activation::kGeluTanh);
  EXPECT_EQ(config->windows, (std::vector<int32_t>{4096, 0}));
  EXPECT_EQ(config->attention_scale, 0.125f);
  EXPECT_EQ(config->attention_softcap, 50);
  EXPECT_EQ(config->logit_softcap, 0);
}

TEST(ModelConfig, ChoosesTheFrequenciesOfLongRopeByTheContextThatIsServed) {
  TemporaryFolder folder;
  TinyModelOptions options;
  options.config_fields = {
      {"architectures", "[\"Phi3ForCausalLM\"]"},
      {"head_dim", "4"},
      {"max_position_embeddings", "256"},
      {"original_max_position_embeddings", "64"},
      {"rope_scaling", R"({"type": "longrope", "short_factor": [1, 2], "long_factor": [3, 4]})"}};
  WriteTinyModel(folder.path(), options);
  const auto factors = [&](int32_t served) {
    return ModelConfig::Load(folder.path(), {}, served)->rope_scaling.factors;
  };
  EXPECT_EQ(factors(0), (std::vector<float>{3, 4}));
  EXPECT_EQ(factors(65), (std::vector<float>{3, 4}));
  EXPECT_EQ(factors(64), (std::vector<float>{1, 2}));
}

struct Refusal {
  const char* field;
  const char* value;
};

class ModelConfigRefusal : public testing::TestWithParam<Refusal> {};

TEST_P(ModelConfigRefusal, NamesTheFieldAndTheFile) {
  const auto config = LoadWith({{GetParam().field, GetParam().value}});
  ASSERT_FALSE(config.ok());
  EXPECT_THAT(config.status().message(), HasSubstr("config.json"));
  EXPECT_THAT(config.status().message(), HasSubstr(GetParam().field));
}

INSTANTIATE_TEST_SUITE_P(
    Fields, ModelConfigRefusal,
    testing::Values(Refusal{"architectures", "[\"GPT2LMHeadModel\"]"},
                    Refusal{"architectures", "\"Llama\""}, Refusal{"hidden_act", "\"gelu\""},
                    Refusal{"hidden_size", "\"32\""}, Refusal{"hidden_size", "-32"},
                    Refusal{"hidden_size", "1e30"}, Refusal{"hidden_size", "null"},
                    Refusal{"num_hidden_layers", "99999999999999999999"},
                    Refusal{"num_key_value_heads", "3"}, Refusal{"head_dim", "7"},
                    Refusal{"rms_norm_eps", "0"}, Refusal{"partial_rotary_factor", "0.5"},
                    Refusal{"quantization_config", "{\"quant_method\": \"gptq\"}"},
                    Refusal{"rope_scaling", "{\"rope_type\": \"yarn\", \"factor\": 4.0}"},
                    Refusal{"rope_scaling", "{\"type\": \"linear\"}"},
                    Refusal{"rope_scaling", "{\"type\": \"longrope\", \"short_factor\": [1]}"},
                    Refusal{"rope_scaling", "{\"rope_type\": \"default\", \"beta_fast\": 32}"},
                    Refusal{"eos_token_id", "\"</s>\""}, Refusal{"logits_scaling", "8.0"},
                    Refusal{"final_logit_softcapping", "30.0"}, Refusal{"qk_norm", "true"}));

TEST(ModelConfig, LoadsUnknownFieldsThatSayNothingOrAreToBeIgnored) {
  EXPECT_TRUE(LoadWith({{"qk_norm", "false"}, {"new_thing", "{}"}, {"other", "0"}}).ok());
  EXPECT_TRUE(LoadWith({{"new_thing", "\"\""}, {"other", "[]"}}).ok());
  EXPECT_TRUE(LoadWith({{"new_thing", "17"}}, {"new_thing"}).ok());
}

TEST(ModelConfig, SaysWhichFileIsNotJson) {
  TemporaryFolder folder;
  EXPECT_EQ(ModelConfig::Load(folder.path()).status().code(), StatusCode::kNotFound);
  testing_support::WriteFile(folder.path() / "config.json", "{\"a\": ");
  EXPECT_THAT(ModelConfig::Load(folder.path()).status().message(), HasSubstr("config.json"));
}

TEST(GenerationConfig, ReadsWhatIsThereAndLeavesTheRestEmpty) {
  TemporaryFolder folder;
  testing_support::WriteFile(folder.path() / "generation_config.json",
                             R"({"eos_token_id": 5, "temperature": 0.6, "max_length": 512})");
  const auto config = GenerationConfig::Load(folder.path());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->eos_tokens, std::vector<TokenId>{5});
  EXPECT_EQ(config->temperature, 0.6f);
  EXPECT_FALSE(config->top_p.has_value());
}

/// Error messages quote values, and quoting recurses.
TEST(ModelConfig, RefusesAFileThatNestsWithoutEnd) {
  const std::string deep(100'000, '[');
  const auto config = LoadWith({{"hidden_size", deep + std::string(deep.size(), ']')}});
  EXPECT_EQ(config.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(config.status().message(), HasSubstr("config.json nests too deeply"));
}

}  // namespace
}  // namespace baton::model
