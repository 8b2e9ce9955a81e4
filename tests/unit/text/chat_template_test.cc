#include "baton/text/chat_template.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/text/text_samples.h"

namespace baton::text {
namespace {

using ::testing::HasSubstr;

Result<std::string> Render(const std::string& source, const std::string& context = "{}",
                           const ChatTemplateLimits& limits = {}) {
  auto parsed = ChatTemplate::Parse(source);
  if (!parsed.ok()) return parsed.status();
  return parsed->Render(context, 0, limits);
}

void ExpectError(const Result<std::string>& result, StatusCode code, const std::string& part) {
  EXPECT_EQ(result.status().code(), code) << (result.ok() ? *result : "");
  EXPECT_THAT(result.status().message(), HasSubstr(part));
}

TEST(ChatTemplate, KeepsTheOrderOfKeys) {
  EXPECT_EQ(*Render("{{ x|tojson }}", R"({"x": {"b": 1, "a": [2, {"z": 0, "y": 0}]}})"),
            R"({"b": 1, "a": [2, {"z": 0, "y": 0}]})");
}

TEST(ChatTemplate, NamesLineAndColumnOfASyntaxError) {
  ExpectError(Render("a\nb {% if x %}\n{{ y + }}"), StatusCode::kInvalidArgument,
              "line 3, column 8");
}

TEST(ChatTemplate, NamesLineAndColumnOfAFailingExpression) {
  ExpectError(Render("a\n{{ 1 + 'x' }}"), StatusCode::kInvalidArgument, "line 2, column 8");
}

TEST(ChatTemplate, PassesOnWhatTheTemplateRaises) {
  ExpectError(Render("{{ raise_exception('roles must alternate') }}"), StatusCode::kInvalidArgument,
              "roles must alternate");
}

TEST(ChatTemplate, RefusesAContextThatIsNoJsonObject) {
  ExpectError(Render("x", "[1]"), StatusCode::kInvalidArgument, "must be an object");
  ExpectError(Render("x", "{\"a\": "), StatusCode::kInvalidArgument, "parse error");
}

TEST(ChatTemplate, TellsTheTimeThatItIsGiven) {
  auto parsed = ChatTemplate::Parse("{{ strftime_now('%Y-%m-%d %H:%M') }}");
  EXPECT_EQ(*parsed->Render("{}", 1'000'000'000), "2001-09-09 01:46");
}

TEST(ChatTemplate, ReadsABrokenSourceAsReplacementCharacters) {
  EXPECT_EQ(*Render("a\xFF{{ 1 }}"), "a\uFFFD1");
}

class ChatTemplateLimit : public ::testing::TestWithParam<const char*> {};

TEST_P(ChatTemplateLimit, EndsWithAnError) { EXPECT_FALSE(Render(GetParam()).ok()); }

INSTANTIATE_TEST_SUITE_P(
    Hostile, ChatTemplateLimit,
    ::testing::Values(
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ range(1000000000) }}", "{{ 'x' * 1000000000000 }}", "{{ [1] * 1000000000000 }}",
        "{% set n = namespace(x='abcdefgh') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}"
        "{% endfor %}",
        "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor "
        "%}",
        "{% set n = namespace(x=[]) %}{% for i in range(99999) %}{% set n.x = [n.x] %}{% endfor %}",
        "{% set n = namespace(x=[]) %}{% for i in range(99999) %}{% set n.x = {'a': n.x} %}"
        "{% endfor %}",
        "{% set n = namespace(x=1) %}{% for i in range(99999) %}{% set n.x = cycler(n.x) %}"
        "{% endfor %}",
        "{% set n = namespace(x=[]) %}{% for i in range(99999) %}{% set n.x = [n.x.index] %}"
        "{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for a in [[1]] recursive %}{{ loop([a]) }}{% endfor %}",
        "{% set x = 'y' * 9999999 %}{{ ([x] * 99999)|join }}",
        "{% set x = 'y' * 9999999 %}{{ [x] * 999 }}", "{{ '%9999999999d' % 1 }}",
        "{{ 'a'.ljust(99999999999) }}", "{{ 10 ** 99 }}", "{{ 9223372036854775807 + 1 }}",
        "{{ 1 // 0 }}", "{{ 1 % 0 }}", "{{ 'x'|indent(99999999999) }}",
        "{{ 'x'|center(9999999999) }}", "{% set x = 'y' * 9999999 %}{{ x.replace('', x) }}",
        "{% set a = namespace(x=[1], y=[1]) %}{% for i in range(150) %}{% set a.x = [a.x, a.x] %}"
        "{% set a.y = [a.y, a.y] %}{% endfor %}{{ a.x == a.y }}",
        "{% set x = 'y' * 60000000 %}{% set z = 'y' * 60000000 %}"
        "{% for i in range(99999) %}{% if x == z or x < z %}{% endif %}{% endfor %}",
        "{% set x = 'y' * 60000000 %}{% for i in range(99999) %}{{ {x: 1}[x] }}{% endfor %}",
        "{% set x = 'y' * 60000000 %}{% for i in range(99999) %}{{ x.find('z') }}{% endfor %}",
        "{% set x = 'y' * 60000000 %}{{ x|list|length }}",
        "{% set x = 'y' * 60000000 %}{{ x|wordwrap(1)|length }}",
        "{% set x = 'é' * 30000000 %}{{ x[::-1]|length }}",
        "{{ [[[1]]]|tojson(indent='y' * 60000000) }}", "{{ [1]|slice(99999999999)|list }}",
        "{{ '{:9999999999}'.format(1) }}", "{{ '%*d' % (999999999, 1) }}",
        "{{ '%.999999999f' % 1.5 }}", "{{ ('\\t' * 9999999).expandtabs(1000)|length }}",
        "{% macro f() %}{% endmacro %}{% set d = dict(range(9)|batch(2)) %}{{ f(**d) }}",
        "{{ 'a'.zfill(99999999999) }}", "{{ ('a ' * 30000000).split()|length }}"));

/// What takes long where an operation's cost is more than linear: these end, and with a text.
TEST(ChatTemplate, SearchesAndSplitsLongTextsInLinearTime) {
  const std::string set = "{% set x = 'a' * 4000000 %}{% set y = 'a' * 2000000 ~ 'b' %}";
  EXPECT_EQ(*Render(set + "{{ x.find(y) }} {{ x.rfind('b' ~ y) }} {{ y in x }}"), "-1 -1 False");
  EXPECT_EQ(*Render("{{ ('a ' * 200000).split()|length }}"), "200000");
  EXPECT_EQ(*Render("{{ ('a' * 1000000).strip('b' * 1000000 ~ 'a') }}"), "");
}

TEST(ChatTemplate, RefusesTagsThatReadOtherFilesByName) {
  for (const char* tag : {"include 'x'", "import 'x' as y", "extends 'x'", "from 'x' import y"}) {
    ExpectError(Render(std::string("{% ") + tag + " %}"), StatusCode::kInvalidArgument,
                "is not supported");
  }
}

TEST(ChatTemplate, EmptiesLongChainsOfNamespaces) {
  EXPECT_TRUE(Render("{% set n = namespace() %}{% for i in range(9999) %}"
                     "{% set n.head = namespace(next=n.head) %}{% endfor %}")
                  .ok());
}

TEST(ChatTemplate, RefusesSourcesThatNestTooDeeply) {
  const auto repeat = [](const std::string& text, int n) {
    std::string out;
    for (int i = 0; i < n; ++i) out += text;
    return out;
  };
  EXPECT_FALSE(Render("{{ " + repeat("(", 100'000) + "1" + repeat(")", 100'000) + " }}").ok());
  EXPECT_FALSE(Render("{{ " + repeat("not ", 100'000) + "1 }}").ok());
  EXPECT_FALSE(Render("{{ 1" + repeat("+1", 100'000) + " }}").ok());
  EXPECT_FALSE(Render("{{ x" + repeat(".a", 100'000) + " }}").ok());
  EXPECT_FALSE(Render("{{ 1" + repeat(" if 1", 100'000) + " }}").ok());
  EXPECT_FALSE(Render(repeat("{% if 1 %}", 100'000)).ok());
}

TEST(ChatTemplate, RefusesAContextThatNestsTooDeeply) {
  ExpectError(Render("x", "{\"a\": " + std::string(100'000, '[')), StatusCode::kResourceExhausted,
              "nests too deeply");
}

TEST(ChatTemplate, BoundsTheOutput) {
  ExpectError(
      Render("{% for i in range(100) %}0123456789{% endfor %}", "{}", {.output_bytes = 500}),
      StatusCode::kResourceExhausted, "too long");
}

class ChatTemplateLoad : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) /
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void Write(const char* file, const std::string& text) { std::ofstream(folder_ / file) << text; }

  std::filesystem::path folder_;
};

TEST_F(ChatTemplateLoad, GivesSpecialTokensUnlessTheContextDoes) {
  Write("tokenizer_config.json",
        R"({"bos_token": {"content": "<s>"}, "eos_token": "</s>", "add_bos_token": true,
            "chat_template": "{{ bos_token }}x{{ eos_token }}"})");
  auto loaded = ChatTemplate::Load(folder_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(*loaded->Render("{}", 0), "<s>x</s>");
  EXPECT_EQ(*loaded->Render(R"({"eos_token": "!"})", 0), "<s>x!");
}

TEST_F(ChatTemplateLoad, PrefersTheFileOfItsOwn) {
  Write("tokenizer_config.json", R"({"chat_template": "config"})");
  Write("chat_template.jinja", "file");
  EXPECT_EQ(*ChatTemplate::Load(folder_)->Render("{}", 0), "file");
}

TEST_F(ChatTemplateLoad, TakesTheTemplateForToolsWhenThereAreTools) {
  Write("tokenizer_config.json",
        R"({"chat_template": [{"name": "default", "template": "plain"},
                              {"name": "tool_use", "template": "tools"}]})");
  auto loaded = ChatTemplate::Load(folder_);
  EXPECT_EQ(*loaded->Render(R"({"tools": []})", 0), "plain");
  EXPECT_EQ(*loaded->Render(R"({"tools": [{}]})", 0), "tools");
}

TEST_F(ChatTemplateLoad, SaysThatThereIsNoTemplate) {
  EXPECT_EQ(ChatTemplate::Load(folder_).status().code(), StatusCode::kNotFound);
  Write("tokenizer_config.json", "{}");
  EXPECT_EQ(ChatTemplate::Load(folder_).status().code(), StatusCode::kNotFound);
}

TEST_F(ChatTemplateLoad, NamesThePlaceOfAWrongType) {
  Write("tokenizer_config.json", R"({"chat_template": 5})");
  EXPECT_THAT(ChatTemplate::Load(folder_).status().message(),
              HasSubstr("tokenizer_config.json: chat_template: expected a string"));
}

}  // namespace
}  // namespace baton::text
