#include "baton/grammar/grammar_cache.h"

#include "unit/grammar/grammar_samples.h"

namespace baton::grammar {
namespace {

TEST(GrammarCache, CompilesATextOnce) {
  GrammarCache cache;
  const auto first = cache.Get("root ::= \"a\"");
  const auto second = cache.Get("root ::= \"a\"");
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->get(), second->get());
}

TEST(GrammarCache, DropsTheLeastRecentlyUsed) {
  GrammarCache cache({.entries = 2});
  const auto a = *cache.Get("root ::= \"a\"");
  const auto b = *cache.Get("root ::= \"b\"");
  EXPECT_EQ(*cache.Get(a->text()), a);
  ASSERT_TRUE(cache.Get("root ::= \"c\"").ok());
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(*cache.Get(a->text()), a);
  EXPECT_NE(*cache.Get(b->text()), b);
}

TEST(GrammarCache, DropsByMemoryAllButTheLast) {
  GrammarCache cache({.bytes = 1});
  const auto a = *cache.Get("root ::= \"a\"");
  EXPECT_EQ(cache.size(), 1u);
  ASSERT_TRUE(cache.Get("root ::= \"b\"").ok());
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_NE(*cache.Get(a->text()), a);
}

TEST(GrammarCache, KeepsNoFailure) {
  GrammarCache cache;
  EXPECT_FALSE(cache.Get("root ::= (").ok());
  EXPECT_EQ(cache.size(), 0u);
}

}  // namespace
}  // namespace baton::grammar
