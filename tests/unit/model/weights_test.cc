#include "baton/model/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/model/model.h"
#include "support/tiny_model.h"

namespace baton::model {
namespace {

using testing::HasSubstr;
using testing_support::TemporaryFolder;
using testing_support::WriteFile;
using testing_support::WriteTinyModel;

/// The error of a model whose config.json was changed after its tensors were written.
std::string ErrorWith(const std::map<std::string, std::string>& fields) {
  TemporaryFolder folder;
  WriteTinyModel(folder.path(), {.config_fields = fields});
  return Model::Load(folder.path()).status().message();
}

TEST(Weights, NamesMissingExtraAndMisshapenTensors) {
  EXPECT_THAT(ErrorWith({{"num_hidden_layers", "3"}}),
              HasSubstr("model.layers.2.input_layernorm.weight is missing"));
  EXPECT_THAT(ErrorWith({{"num_hidden_layers", "1"}}),
              HasSubstr("model.layers.1.input_layernorm.weight belongs to no part"));
  EXPECT_THAT(ErrorWith({{"vocab_size", "100"}}),
              HasSubstr("model.embed_tokens.weight has shape [96, 32], not [100, 32]"));
  EXPECT_THAT(ErrorWith({{"mlp_bias", "true"}}), HasSubstr("mlp.gate_proj.bias is missing"));
}

TEST(Weights, TakesATiedOutputStoredTwice) {
  EXPECT_EQ(ErrorWith({{"tie_word_embeddings", "true"}}), "");
}

TEST(Model, HasAFingerprintOfItsConfigurationAndContent) {
  TemporaryFolder folder;
  const auto fingerprint = [&](const testing_support::TinyModelOptions& options) {
    WriteTinyModel(folder.path(), options);
    return (*Model::Load(folder.path()))->fingerprint();
  };
  const std::string first = fingerprint({});
  EXPECT_EQ(first.size(), 32);
  EXPECT_EQ(fingerprint({}), first);
  EXPECT_NE(fingerprint({.seed = 2}), first);
  EXPECT_NE(fingerprint({.config_fields = {{"rope_theta", "20000.0"}}}), first);
}

TEST(Model, TakesItsEndTokensFromTheGenerationConfigFirst) {
  TemporaryFolder folder;
  WriteTinyModel(folder.path());
  EXPECT_EQ((*Model::Load(folder.path()))->eos_tokens(), std::vector<TokenId>{2});
  WriteFile(folder.path() / "generation_config.json", R"({"eos_token_id": [4, 5]})");
  EXPECT_EQ((*Model::Load(folder.path()))->eos_tokens(), (std::vector<TokenId>{4, 5}));
  WriteFile(folder.path() / "generation_config.json", R"({"eos_token_id": 96})");
  EXPECT_THAT(Model::Load(folder.path()).status().message(), HasSubstr("outside the vocabulary"));
}

}  // namespace
}  // namespace baton::model
