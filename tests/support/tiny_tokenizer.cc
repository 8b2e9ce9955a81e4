#include "tiny_tokenizer.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "baton/text/utf8.h"

namespace baton::test {

namespace {

/// How byte-level BPE writes a byte: printable Latin-1 as itself, the others from U+0100 on.
std::string Letter(int byte) {
  const auto is_plain = [](int b) {
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  };
  char32_t code_point = static_cast<char32_t>(byte);
  if (!is_plain(byte)) {
    code_point = 256;
    for (int b = 0; b < byte; ++b) code_point += is_plain(b) ? 0 : 1;
  }
  std::string letter;
  text::AppendUtf8(code_point, letter);
  return letter;
}

std::string Letters(std::string_view bytes) {
  std::string letters;
  for (const char c : bytes) letters += Letter(static_cast<unsigned char>(c));
  return letters;
}

nlohmann::json TinyTokenizerJson(const std::vector<std::string>& more) {
  nlohmann::json vocabulary;
  for (int byte = 0; byte < 256; ++byte) vocabulary[Letter(byte)] = byte;
  vocabulary[Letters("Hello")] = kHelloToken;
  vocabulary[Letters("one STOP two")] = kWideToken;
  const auto special = [](TokenId id, const std::string& content) {
    return nlohmann::json{{"id", id},        {"content", content}, {"single_word", false},
                          {"lstrip", false}, {"rstrip", false},    {"normalized", false},
                          {"special", true}};
  };
  nlohmann::json added = {special(kEndToken, "<|end|>"), special(kStartToken, "<|start|>")};
  for (const std::string& content : more)
    added.push_back(special(kTinyVocabulary + static_cast<TokenId>(added.size()) - 2, content));
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", nullptr},
          {"pre_tokenizer",
           {{"type", "ByteLevel"},
            {"add_prefix_space", false},
            {"trim_offsets", true},
            {"use_regex", false}}},
          {"post_processor", nullptr},
          {"decoder",
           {{"type", "ByteLevel"},
            {"add_prefix_space", true},
            {"trim_offsets", true},
            {"use_regex", true}}},
          {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", nlohmann::json::array()}}}};
}

}  // namespace

std::unique_ptr<text::Tokenizer> MakeTinyTokenizer(const std::vector<std::string>& special) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("baton-tiny-tokenizer-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "tokenizer.json") << TinyTokenizerJson(special).dump();
  auto tokenizer = text::Tokenizer::Load(folder);
  std::filesystem::remove_all(folder);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

std::vector<TokenId> Bytes(std::string_view text) {
  std::vector<TokenId> tokens;
  for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
  return tokens;
}

}  // namespace baton::test
