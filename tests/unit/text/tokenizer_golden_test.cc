#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "unit/text/text_samples.h"

namespace baton::text {
namespace {

using nlohmann::json;

/// Ids written by the `tokenizers` library; see tests/data/text/make_goldens.py.
const json& Goldens() {
  static const json goldens = [] {
    std::ifstream in(TextData() / "encode_goldens.json");
    return json::parse(in);
  }();
  return goldens;
}

void ExpectGoldens(const std::filesystem::path& folder, const std::string& model) {
  if (!std::filesystem::exists(folder / "tokenizer.json")) {
    GTEST_SKIP() << folder << " is not here";
  }
  const auto tokenizer = Tokenizer::Load(folder);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const json& strings = Goldens()["strings"];
  const json& expected = Goldens()["models"][model];
  ASSERT_EQ(strings.size(), expected["ids"].size());
  ASSERT_GT(strings.size(), 200u);
  for (size_t i = 0; i < strings.size(); ++i) {
    const std::string text = strings[i];
    const std::vector<TokenId> plain = expected["ids_without_special"][i];
    EXPECT_EQ((*tokenizer)->Encode(text), expected["ids"][i].get<std::vector<TokenId>>())
        << strings[i].dump();
    EXPECT_EQ((*tokenizer)->Encode(text, {.add_special_tokens = false, .parse_special = false}),
              plain)
        << strings[i].dump();
  }
}

TEST(TokenizerGolden, AgreesOnASmallVocabularyWithEveryOption) {
  ExpectGoldens(TextData() / "small-bpe", "small-bpe");
}
TEST(TokenizerGolden, AgreesOnGpt2) { ExpectGoldens(SharedData() / "tokenizers/gpt2", "gpt2"); }
TEST(TokenizerGolden, AgreesOnQwen) {
  ExpectGoldens(SharedData() / "tokenizers/qwen2.5", "qwen2.5");
}
TEST(TokenizerGolden, AgreesOnMistral) {
  ExpectGoldens(SharedData() / "tokenizers/mistral-v3", "mistral-v3");
}
TEST(TokenizerGolden, AgreesOnPhi3) {
  ExpectGoldens(SharedData() / "tokenizers/phi-3-mini", "phi-3-mini");
}
TEST(TokenizerGolden, AgreesOnStories260K) {
  ExpectGoldens(SharedData() / "models/stories260K", "stories260K");
}

}  // namespace
}  // namespace baton::text
