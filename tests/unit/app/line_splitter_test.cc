#include "baton/app/line_splitter.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::app {
namespace {

using testing::ElementsAre;

std::vector<std::string> Split(const std::vector<std::string>& pieces) {
  LineSplitter splitter;
  std::vector<std::string> lines;
  const auto take = [&](std::string_view line) { lines.emplace_back(line); };
  for (const std::string& piece : pieces) splitter.Append(piece, take);
  splitter.Finish(take);
  return lines;
}

TEST(LineSplitter, JoinsPiecesOfALine) {
  EXPECT_THAT(Split({"he", "llo\nwor", "ld\n"}), ElementsAre("hello", "world"));
}

TEST(LineSplitter, KeepsEmptyLines) { EXPECT_THAT(Split({"\n\na\n"}), ElementsAre("", "", "a")); }

TEST(LineSplitter, HandsOnALastLineWithoutAnEnd) {
  EXPECT_THAT(Split({"a\nb"}), ElementsAre("a", "b"));
}

TEST(LineSplitter, CutsLinesThatAreTooLong) {
  const std::string longest(LineSplitter::kLongestLine, 'x');
  EXPECT_THAT(Split({longest + longest + "y\n"}), ElementsAre(longest, longest, "y"));
}

TEST(LineSplitter, LeavesTheLongestLineWhole) {
  const std::string longest(LineSplitter::kLongestLine, 'x');
  EXPECT_THAT(Split({longest, "\nz\n"}), ElementsAre(longest, "z"));
}

}  // namespace
}  // namespace baton::app
