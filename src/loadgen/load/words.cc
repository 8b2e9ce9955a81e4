#include "baton/loadgen/words.h"

#include <algorithm>

#include "baton/base/check.h"

namespace baton::loadgen {
namespace {

constexpr std::string_view kWords[] = {
    "the",     "of",      "and",     "to",     "in",      "is",      "that",    "for",    "it",
    "as",      "was",     "with",    "be",     "by",      "on",      "not",     "he",     "his",
    "but",     "at",      "are",     "this",   "have",    "from",    "or",      "had",    "an",
    "they",    "which",   "one",     "you",    "were",    "all",     "her",     "she",    "there",
    "would",   "their",   "we",      "him",    "been",    "has",     "when",    "who",    "will",
    "no",      "more",    "if",      "out",    "so",      "up",      "said",    "what",   "its",
    "about",   "than",    "into",    "them",   "can",     "only",    "other",   "time",   "new",
    "some",    "could",   "these",   "two",    "may",     "first",   "then",    "do",     "any",
    "like",    "my",      "now",     "over",   "such",    "our",     "man",     "me",     "even",
    "most",    "made",    "after",   "also",   "well",    "did",     "many",    "before", "must",
    "years",   "back",    "through", "much",   "where",   "your",    "way",     "down",   "should",
    "because", "long",    "each",    "just",   "state",   "those",   "people",  "too",    "little",
    "very",    "good",    "world",   "make",   "still",   "see",     "own",     "work",   "men",
    "day",     "get",     "here",    "old",    "life",    "both",    "between", "being",  "under",
    "three",   "never",   "know",    "same",   "last",    "another", "while",   "us",     "off",
    "might",   "great",   "go",      "come",   "since",   "against", "right",   "came",   "take",
    "used",    "himself", "few",     "house",  "use",     "place",   "during",  "high",   "without",
    "again",   "home",    "around",  "small",  "however", "found",   "part",    "school", "thought",
    "went",    "say",     "general", "once",   "war",     "left",    "number",  "course", "water",
    "night",   "end",     "fact",    "public", "set",     "order",   "hand",    "head",   "far",
    "light",   "second",  "point",   "side",   "name",    "read",    "river",   "stone",  "field",
};

/// The words of prompts that are counted by words.
std::vector<int32_t> OneEach() { return std::vector<int32_t>(std::size(kWords), 1); }

}  // namespace

std::span<const std::string_view> CommonWords() { return kWords; }

WordList::WordList() : WordList(OneEach(), 0) {}

WordList::WordList(const std::vector<int32_t>& tokens, int32_t overhead) : overhead_(overhead) {
  BATON_CHECK(tokens.size() == std::size(kWords));
  for (size_t i = 0; i < tokens.size(); ++i) words_.push_back({kWords[i], std::max(tokens[i], 1)});
  std::stable_sort(words_.begin(), words_.end(),
                   [](const Word& a, const Word& b) { return a.tokens < b.tokens; });
}

void WordList::Append(std::string& text, int64_t tokens, Random random) const {
  // Only near the end are words too long.
  size_t fitting = words_.size();
  while (tokens > 0) {
    while (fitting > 0 && words_[fitting - 1].tokens > tokens) --fitting;
    if (fitting == 0) return;
    const Word& word = words_[random.Below(fitting)];
    text += ' ';
    text += word.text;
    tokens -= word.tokens;
  }
}

}  // namespace baton::loadgen
