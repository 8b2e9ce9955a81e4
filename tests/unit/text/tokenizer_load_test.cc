#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "unit/text/text_samples.h"

namespace baton::text {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class TokenizerLoad : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) /
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
    std::ifstream in(TextData() / "small-bpe/tokenizer.json");
    document_ = json::parse(in);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Status Load() {
    std::ofstream(folder_ / "tokenizer.json") << document_.dump();
    return Tokenizer::Load(folder_).status();
  }
  void ExpectError(StatusCode code, const std::string& part) {
    const Status status = Load();
    EXPECT_EQ(status.code(), code);
    EXPECT_THAT(status.message(), HasSubstr(part));
    EXPECT_THAT(status.message(), HasSubstr("tokenizer.json: "));
  }

  std::filesystem::path folder_;
  json document_;
};

TEST_F(TokenizerLoad, WorksWithoutAConfiguration) { EXPECT_EQ(Load(), OkStatus()); }

TEST_F(TokenizerLoad, SaysWhichFileIsMissing) {
  EXPECT_EQ(Tokenizer::Load(folder_).status().code(), StatusCode::kNotFound);
}

TEST_F(TokenizerLoad, RefusesTextThatIsNotJson) {
  std::ofstream(folder_ / "tokenizer.json") << "{\"model\": ";
  EXPECT_EQ(Tokenizer::Load(folder_).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(TokenizerLoad, NamesAnUnsupportedPreTokenizer) {
  document_["pre_tokenizer"]["pretokenizers"][0] = {{"type", "BertPreTokenizer"}};
  ExpectError(StatusCode::kUnimplemented,
              "pre_tokenizer.pretokenizers[0]: pre-tokenizer BertPreTokenizer");
}

TEST_F(TokenizerLoad, NamesAnUnsupportedNormalizer) {
  document_["normalizer"] = {{"type", "Precompiled"}};
  ExpectError(StatusCode::kUnimplemented, "normalizer: normalizer Precompiled");
}

TEST_F(TokenizerLoad, NamesAnUnsupportedModel) {
  document_["model"]["type"] = "WordPiece";
  ExpectError(StatusCode::kUnimplemented, "model: model WordPiece");
}

TEST_F(TokenizerLoad, NamesAnUnsupportedPostProcessor) {
  document_["post_processor"] = {{"type", "BertProcessing"}};
  ExpectError(StatusCode::kUnimplemented, "post_processor: post-processor BertProcessing");
}

TEST_F(TokenizerLoad, NamesAnUnsupportedDecoder) {
  document_["decoder"] = {{"type", "CTC"}};
  ExpectError(StatusCode::kUnimplemented, "decoder: decoder CTC");
}

TEST_F(TokenizerLoad, RefusesAPatternThatTheEnginesReadDifferently) {
  document_["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {{"Regex", "[a&&[^b]]"}};
  ExpectError(StatusCode::kUnimplemented, "pretokenizers[0].pattern");
}

TEST_F(TokenizerLoad, RefusesABrokenPatternWithItsPlace) {
  document_["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {{"Regex", "(a"}};
  ExpectError(StatusCode::kInvalidArgument, "pretokenizers[0].pattern");
}

TEST_F(TokenizerLoad, NamesTheMergeThatIsNotInTheVocabulary) {
  document_["model"]["merges"][3] = json::array({"q", "zzz"});
  ExpectError(StatusCode::kInvalidArgument, "model.merges[3]: \"zzz\"");
}

TEST_F(TokenizerLoad, TakesMergesInTheOldSpelling) {
  for (json& merge : document_["model"]["merges"]) {
    merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  }
  EXPECT_EQ(Load(), OkStatus());
}

TEST_F(TokenizerLoad, NamesATokenIdThatIsNoNumber) {
  document_["model"]["vocab"]["a"] = "one";
  ExpectError(StatusCode::kInvalidArgument, "model.vocab.a: expected a token id");
}

/// There is memory for every id up to the greatest.
TEST_F(TokenizerLoad, RefusesATokenIdBeyondAnyVocabulary) {
  document_["added_tokens"][0]["id"] = 1 << 24;
  ExpectError(StatusCode::kInvalidArgument, "added_tokens[0].id: expected a token id");
}

TEST_F(TokenizerLoad, RefusesATemplateTokenWhoseIdNoTokenHas) {
  document_["post_processor"]["special_tokens"]["<s>"]["ids"] = {int64_t{1} << 32};
  ExpectError(StatusCode::kInvalidArgument, "ids[0]: expected a token id");
}

/// What walks the document recurses.
TEST_F(TokenizerLoad, RefusesADocumentThatNestsWithoutEnd) {
  document_["normalizer"] = json::parse(std::string(500, '[') + std::string(500, ']'));
  ExpectError(StatusCode::kInvalidArgument, "nests too deeply");
}

/// Twenty replacements of one byte by eight make an exabyte of it.
TEST_F(TokenizerLoad, RefusesReplacementsThatBlowATextUp) {
  const json eight = {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", "aaaaaaaa"}};
  const json steps(20, eight);
  const json decoder = document_["decoder"];
  document_["normalizer"] = {{"type", "Sequence"}, {"normalizers", steps}};
  ExpectError(StatusCode::kInvalidArgument, "normalizers[2]: makes texts too long");
  document_["normalizer"] = nullptr;
  document_["decoder"] = {{"type", "Sequence"}, {"decoders", steps}};
  document_["decoder"]["decoders"].push_back(decoder);
  ExpectError(StatusCode::kInvalidArgument, "decoder: makes tokens too long");
}

TEST_F(TokenizerLoad, RefusesATemplateTokenOutsideTheVocabulary) {
  document_["post_processor"]["special_tokens"]["<s>"]["ids"] = {99999};
  ExpectError(StatusCode::kInvalidArgument, "post_processor: token 99999");
}

TEST_F(TokenizerLoad, SurvivesAnyOneValueReplaced) {
  const json flat = document_.flatten();
  Random random(7);
  std::vector<std::string> places;
  for (const auto& [place, value] : flat.items()) {
    if (!place.starts_with("/model/") || random.Below(20) == 0) places.push_back(place);
  }
  const json replacements[] = {nullptr, -1, 1e300, "x", true, json::array(), json::object()};
  for (const std::string& place : places) {
    const json saved = document_;
    document_[json::json_pointer(place)] = replacements[random.Below(std::size(replacements))];
    const Status status = Load();
    EXPECT_TRUE(status.ok() || status.code() == StatusCode::kInvalidArgument ||
                status.code() == StatusCode::kUnimplemented)
        << place << ": " << status;
    document_ = saved;
  }
}

}  // namespace
}  // namespace baton::text
