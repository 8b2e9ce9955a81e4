#include "baton/base/latest.h"

#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace baton {
namespace {

TEST(Latest, ReadsTheNewestPostAsOftenAsAsked) {
  Latest<std::string> latest("first");
  EXPECT_EQ(latest.Read(), "first");
  latest.Post("second");
  latest.Post("third");
  EXPECT_EQ(latest.Read(), "third");
  EXPECT_EQ(latest.Read(), "third");
}

TEST(Latest, NeverShowsHalfAPost) {
  struct Pair {
    int a = 0;
    int b = 0;
  };
  Latest<Pair> latest;
  std::jthread writer([&] {
    for (int i = 1; i <= 20000; ++i) latest.Post({i, i});
  });
  for (Pair seen; seen.a < 20000; seen = latest.Read()) ASSERT_EQ(seen.a, seen.b);
}

}  // namespace
}  // namespace baton
