#include "baton/loadgen/words.h"

#include <algorithm>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

namespace baton::loadgen {
namespace {

/// Costs by which a word has a token per three letters.
std::vector<int32_t> Costs() {
  std::vector<int32_t> costs;
  for (const std::string_view word : CommonWords()) {
    costs.push_back(static_cast<int32_t>(word.size() + 2) / 3);
  }
  return costs;
}

int64_t CostOf(const std::string& text) {
  int64_t tokens = 0;
  std::istringstream words(text);
  for (std::string word; words >> word;) tokens += static_cast<int64_t>(word.size() + 2) / 3;
  return tokens;
}

TEST(WordList, MakesTextsOfExactlyTheTokensAskedFor) {
  const WordList words(Costs(), 0);
  for (const int64_t tokens : {1, 2, 3, 7, 100, 4096}) {
    std::string text;
    words.Append(text, tokens, Random(static_cast<uint64_t>(tokens)));
    EXPECT_EQ(CostOf(text), tokens);
  }
}

TEST(WordList, PutsASpaceBeforeEveryWord) {
  std::string text;
  WordList().Append(text, 50, Random(1));
  EXPECT_EQ(std::count(text.begin(), text.end(), ' '), 50);
  EXPECT_EQ(text.front(), ' ');
}

TEST(WordList, MakesShorterTextsThatBeginLonger) {
  const WordList words;
  std::string shorter, longer;
  words.Append(shorter, 20, Random(3));
  words.Append(longer, 60, Random(3));
  EXPECT_TRUE(longer.starts_with(shorter));
}

TEST(WordList, StaysBelowWhereNoWordIsShortEnough) {
  const WordList words(std::vector<int32_t>(CommonWords().size(), 4), 0);
  std::string text;
  words.Append(text, 10, Random(1));
  EXPECT_EQ(std::count(text.begin(), text.end(), ' '), 2);
}

TEST(WordList, HoldsEachWordOnce) {
  std::vector<std::string_view> words(CommonWords().begin(), CommonWords().end());
  std::sort(words.begin(), words.end());
  EXPECT_EQ(std::adjacent_find(words.begin(), words.end()), words.end());
}

}  // namespace
}  // namespace baton::loadgen
