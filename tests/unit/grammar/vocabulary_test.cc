#include "baton/grammar/vocabulary.h"

#include <gtest/gtest.h>

namespace baton::grammar {
namespace {

/// Texts of the trie's nodes with their tokens, as "ab:3,7".
std::vector<std::string> Trie(const Vocabulary& vocabulary) {
  std::vector<std::string> out;
  std::string path;
  const auto nodes = vocabulary.nodes();
  for (size_t i = 1; i + 1 < nodes.size(); ++i) {
    path.resize(nodes[i].depth - 1u);
    path += static_cast<char>(nodes[i].byte);
    std::string text = path + ":";
    for (uint32_t t = nodes[i].first_token; t < nodes[i + 1].first_token; ++t) {
      text += std::to_string(vocabulary.tokens()[t]) + ",";
    }
    out.push_back(text);
  }
  return out;
}

TEST(Vocabulary, IsATrieInPreorder) {
  const Vocabulary vocabulary({"b", "abc", "", "ab", "ab", "d"}, {});
  EXPECT_EQ(Trie(vocabulary),
            (std::vector<std::string>{"a:", "ab:3,4,", "abc:1,", "b:0,", "d:5,"}));
  EXPECT_EQ(vocabulary.nodes()[1].subtree_end, 4u);
  EXPECT_EQ(vocabulary.nodes()[0].subtree_end, 6u);
}

TEST(Vocabulary, LeavesTokensThatEndOutOfTheTrie) {
  const Vocabulary vocabulary({"a", "end"}, {1});
  EXPECT_EQ(Trie(vocabulary), std::vector<std::string>{"a:0,"});
  EXPECT_TRUE(vocabulary.IsEnd(1));
  EXPECT_EQ(vocabulary.bytes(1), "");
}

TEST(Vocabulary, LeavesSpecialTokensOut) {
  const auto tokenizer =
      text::Tokenizer::Load(std::string(BATON_SOURCE_DIR) + "/configs/models/baton-tiny");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const auto vocabulary = Vocabulary::Of(**tokenizer, {});
  ASSERT_EQ(vocabulary->size(), (*tokenizer)->vocabulary_size());
  int special = 0;
  for (TokenId token = 0; token < vocabulary->size(); ++token) {
    if ((*tokenizer)->IsSpecial(token)) {
      ++special;
      EXPECT_EQ(vocabulary->bytes(token), "");
    } else {
      EXPECT_EQ(vocabulary->bytes(token), (*tokenizer)->TokenBytes(token));
    }
  }
  EXPECT_GT(special, 0);
}

}  // namespace
}  // namespace baton::grammar
