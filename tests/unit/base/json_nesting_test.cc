#include "baton/base/json_nesting.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

TEST(JsonNesting, IsThatOfTheDeepestListOrObject) {
  EXPECT_EQ(JsonNesting("7"), 0);
  EXPECT_EQ(JsonNesting("[]"), 1);
  EXPECT_EQ(JsonNesting(R"({"a": [1, {"b": 2}], "c": [[3]]})"), 3);
}

TEST(JsonNesting, DoesNotCountBracketsInStrings) {
  EXPECT_EQ(JsonNesting(R"(["[[[", "\"[[[", "\\"])"), 1);
  EXPECT_EQ(JsonNesting(R"(["\\", [1]])"), 2);
}

TEST(JsonNesting, TakesWhatIsNotJson) {
  EXPECT_EQ(JsonNesting("]]]["), 0);
  EXPECT_EQ(JsonNesting("\"\\"), 0);
}

}  // namespace
}  // namespace baton
