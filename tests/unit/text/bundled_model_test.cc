#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "baton/text/chat_template.h"
#include "unit/text/text_samples.h"

namespace baton::text {
namespace {

using Json = nlohmann::ordered_json;

/// What transformers computes for the model that comes with Baton; see tools/README.md.
class BundledModel : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string root = BATON_SOURCE_DIR;
    std::ifstream in(root + "/tests/data/goldens/baton-tiny/tokenizer.golden.json");
    ASSERT_TRUE(in) << "the goldens are missing";
    golden_ = Json::parse(in);
    folder_ = root + "/" + golden_["model"].get<std::string>();
    auto loaded = Tokenizer::Load(folder_);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    tokenizer_ = *std::move(loaded);
  }

  Json golden_;
  std::filesystem::path folder_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(BundledModel, EncodesAsTransformersDoes) {
  ASSERT_FALSE(golden_["encodings"].empty());
  for (const Json& encoding : golden_["encodings"]) {
    const std::string text = encoding["text"];
    EXPECT_EQ(tokenizer_->Encode(text, {.add_special_tokens = false}),
              encoding["ids"].get<std::vector<TokenId>>())
        << encoding["text"].dump();
    EXPECT_EQ(tokenizer_->Encode(text), encoding["ids_with_special"].get<std::vector<TokenId>>())
        << encoding["text"].dump();
  }
}

TEST_F(BundledModel, DecodesAsTransformersDoes) {
  for (const Json& encoding : golden_["encodings"]) {
    const std::vector<TokenId> ids = encoding["ids"];
    EXPECT_EQ(tokenizer_->Decode(ids), encoding["decoded"].get<std::string>());
  }
}

TEST_F(BundledModel, RendersAndEncodesChatsAsTransformersDoes) {
  const auto chat_template = ChatTemplate::Load(folder_);
  ASSERT_TRUE(chat_template.ok()) << chat_template.status();
  ASSERT_FALSE(golden_["chats"].empty());
  for (const Json& chat : golden_["chats"]) {
    const Json context = {{"messages", chat["messages"]},
                          {"add_generation_prompt", chat["add_generation_prompt"]}};
    const auto text = chat_template->Render(context.dump(), 0);
    ASSERT_TRUE(text.ok()) << text.status();
    EXPECT_EQ(*text, chat["text"].get<std::string>());
    EXPECT_EQ(tokenizer_->Encode(*text, {.add_special_tokens = false}),
              chat["ids"].get<std::vector<TokenId>>());
  }
}

}  // namespace
}  // namespace baton::text
