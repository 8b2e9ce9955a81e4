#include "baton/grammar/sources.h"

#include <nlohmann/json.hpp>

#include "unit/grammar/grammar_samples.h"

namespace baton::grammar {
namespace {

TEST(Sources, ChoiceTakesEachTextAndNoOther) {
  const std::vector<std::string> choices = {"yes", "yes!", "no\"", "\xC3\xA9", ""};
  const auto text = FromChoices(choices);
  ASSERT_TRUE(text.ok()) << text.status();
  for (const std::string& choice : choices) EXPECT_TRUE(Takes(*text, choice)) << choice;
  EXPECT_FALSE(Takes(*text, "ye"));
  EXPECT_FALSE(Takes(*text, "yes!!"));
}

TEST(Sources, ChoiceRefusesNoneAndBrokenText) {
  EXPECT_FALSE(FromChoices({}).ok());
  EXPECT_FALSE(FromChoices(std::vector<std::string>{"\xFF"}).ok());
  EXPECT_FALSE(FromChoices(std::vector<std::string>{"abc"}, {.text_bytes = 10}).ok());
}

TEST(Sources, RegexMatchesAsAWhole) {
  const auto text = FromRegex("a+|\\d{3}");
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_TRUE(Takes(*text, "aaa"));
  EXPECT_TRUE(Takes(*text, "123"));
  EXPECT_FALSE(Takes(*text, "a123"));
  EXPECT_FALSE(FromRegex("(").ok());
}

/// Whatever a model may write is JSON, and JSON that programs write is taken.
TEST(Sources, JsonObjectTakesWhatIsJson) {
  const std::string grammar = JsonObject();
  const char* const kJson[] = {R"({})", R"({ "a" : [1, -0.5e+3, true , null], "b": {"": "x"} })",
                               R"({"q": "\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"})",
                               "{\n  \"a\": 0\n}"};
  for (const char* json : kJson) {
    EXPECT_TRUE(Takes(grammar, json)) << json;
    EXPECT_TRUE(nlohmann::json::accept(json)) << json;
  }
  const char* const kOther[] = {"[]",
                                "{",
                                R"({"a"})",
                                R"({"a":01})",
                                R"({"a":"\ud83d"})",
                                R"({"a":1,})",
                                "{\"a\":\"\n\"}",
                                R"({"a":.5})",
                                " {}"};
  for (const char* other : kOther) EXPECT_FALSE(Takes(grammar, other)) << other;
}

TEST(Sources, JsonHasNoEndlessSpace) {
  const std::string grammar = JsonObject();
  EXPECT_TRUE(Takes(grammar, "{" + std::string(64, ' ') + "}"));
  EXPECT_FALSE(Takes(grammar, "{" + std::string(65, ' ') + "}"));
}

}  // namespace
}  // namespace baton::grammar
