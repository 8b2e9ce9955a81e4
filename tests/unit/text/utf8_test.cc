#include "baton/text/utf8.h"

#include <gtest/gtest.h>

#include "unit/text/text_samples.h"

namespace baton::text {
namespace {

TEST(ToValidUtf8, ReplacesEachMaximalSubpartOnce) {
  // Unicode 15, table 3-8 and its neighbours.
  EXPECT_EQ(ToValidUtf8("\xC0\xAF"), "\uFFFD\uFFFD");
  EXPECT_EQ(ToValidUtf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), "\uFFFD\uFFFD\uFFFD\uFFFDA");
  EXPECT_EQ(ToValidUtf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(ToValidUtf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(ToValidUtf8("a\xE2\x82"), "a\uFFFD");
}

TEST(ToValidUtf8, LeavesValidTextAlone) {
  Random random(1);
  for (int i = 0; i < 500; ++i) {
    const std::string text = RandomText(random, 30);
    EXPECT_EQ(ToValidUtf8(text), text);
    EXPECT_TRUE(IsValidUtf8(text));
  }
}

TEST(ToValidUtf8, MakesAnyBytesValid) {
  Random random(2);
  for (int i = 0; i < 2000; ++i) {
    EXPECT_TRUE(IsValidUtf8(ToValidUtf8(RandomBytes(random, 30))));
  }
}

TEST(NextUtf8, TellsAnIncompleteCharacterFromABrokenOne) {
  EXPECT_EQ(NextUtf8("\xF0\x9F\x98").kind, Utf8Step::Kind::kIncomplete);
  EXPECT_EQ(NextUtf8("\xF0\x9F\x98z").kind, Utf8Step::Kind::kBroken);
  EXPECT_EQ(NextUtf8("\xF0\x9F\x98\x80").code_point, U'\U0001F600');
}

}  // namespace
}  // namespace baton::text
