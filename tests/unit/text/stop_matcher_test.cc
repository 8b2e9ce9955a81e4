#include "baton/text/stop_matcher.h"

#include <optional>

#include <gtest/gtest.h>
#include <malloc.h>

#include "baton/base/random.h"

namespace baton::text {
namespace {

TEST(StopMatcher, ReleasesEverythingWithoutStops) {
  StopMatcher matcher({});
  EXPECT_EQ(matcher.Push("any text").text, "any text");
  EXPECT_EQ(matcher.Finish(), "");
}

TEST(StopMatcher, HoldsBackOnlyWhatMayBeginAStop) {
  StopMatcher matcher({"END"});
  EXPECT_EQ(matcher.Push("the EN").text, "the ");
  EXPECT_EQ(matcher.Push("EN").text, "EN");
  EXPECT_EQ(matcher.Finish(), "EN");
}

TEST(StopMatcher, FindsAStopThatSpansPieces) {
  StopMatcher matcher({"\n\nUser:"});
  EXPECT_EQ(matcher.Push("hi\n").text, "hi");
  EXPECT_EQ(matcher.Push("\nUs").text, "");
  const StopMatcher::Match match = matcher.Push("er: more");
  EXPECT_TRUE(match.matched);
  EXPECT_EQ(match.text, "");
  EXPECT_EQ(matcher.Finish(), "");
}

TEST(StopMatcher, IncludesTheStopWhenAsked) {
  StopMatcher matcher({"."}, true);
  const StopMatcher::Match match = matcher.Push("One. Two.");
  EXPECT_TRUE(match.matched);
  EXPECT_EQ(match.text, "One.");
}

TEST(StopMatcher, PrefersTheLongestOfTheStopsThatEndTogether) {
  StopMatcher matcher({"c", "abc", "bc"});
  const StopMatcher::Match match = matcher.Push("xabc");
  EXPECT_EQ(match.which, 1u);
  EXPECT_EQ(match.text, "x");
}

TEST(StopMatcher, ReleasesNothingAfterAMatch) {
  StopMatcher matcher({"stop"});
  ASSERT_TRUE(matcher.Push("stop").matched);
  EXPECT_EQ(matcher.Push("more").text, "");
}

TEST(StopMatcher, IgnoresAnEmptyStop) {
  StopMatcher matcher({"", "z"});
  EXPECT_EQ(matcher.Push("abc").text, "abc");
  EXPECT_EQ(matcher.Push("z").which, 1u);
}

/// The first stop by its end, then by its begin, found the slow way.
struct Found {
  size_t begin;
  size_t which;
};
std::optional<Found> Search(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    std::optional<Found> found;
    for (size_t i = 0; i < stops.size(); ++i) {
      if (stops[i].empty() || !text.substr(0, end).ends_with(stops[i])) continue;
      const size_t begin = end - stops[i].size();
      if (!found || begin < found->begin) found = Found{begin, i};
    }
    if (found) return found;
  }
  return std::nullopt;
}

std::string RandomWord(Random& random, size_t max_length) {
  std::string word;
  for (size_t n = random.Below(max_length + 1); n > 0; --n) word += "ab"[random.Below(2)];
  return word;
}

TEST(StopMatcher, AgreesWithSearchingOverRandomSplits) {
  Random random(3);
  for (int round = 0; round < 5000; ++round) {
    std::vector<std::string> stops(1 + random.Below(4));
    for (std::string& stop : stops) stop = RandomWord(random, 6);
    const std::string text = RandomWord(random, 40);
    StopMatcher matcher(stops);
    std::string released;
    StopMatcher::Match match;
    for (size_t at = 0; at < text.size() && !match.matched;) {
      const size_t length = 1 + random.Below(5);
      match = matcher.Push(text.substr(at, length));
      released += match.text;
      at += length;
    }
    if (!match.matched) released += matcher.Finish();

    const std::optional<Found> expected = Search(text, stops);
    ASSERT_EQ(match.matched, expected.has_value()) << text;
    ASSERT_EQ(released, expected ? text.substr(0, expected->begin) : text);
    if (expected) {
      ASSERT_EQ(stops[match.which], stops[expected->which]);
    }
  }
}

TEST(StopMatcher, ACopyMatchesATextOfItsOwn) {
  StopMatcher first({"END"});
  StopMatcher second = first;
  EXPECT_EQ(first.Push("E").text, "");
  EXPECT_EQ(second.Push("ND").text, "ND");
  EXPECT_TRUE(first.Push("ND").matched);
  EXPECT_FALSE(second.Push("EN").matched);
}

/// A request may have a thousand outputs and a KiB of stops.
TEST(StopMatcher, AThousandCopiesTakeNoMoreThanOne) {
  const StopMatcher matcher({std::string(1000, 'x')});
  const size_t before = mallinfo2().uordblks;
  const std::vector<StopMatcher> copies(1000, matcher);
  EXPECT_LT(mallinfo2().uordblks - before, size_t{1} << 20);
}

}  // namespace
}  // namespace baton::text
