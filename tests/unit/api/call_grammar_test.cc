#include "api/openai/call_grammar.h"

#include <gtest/gtest.h>

#include "baton/grammar/matcher.h"

namespace baton::api {
namespace {

/// Whether `text` is a whole text of the grammar.
bool Fits(const Result<std::string>& grammar, const std::string& text) {
  EXPECT_TRUE(grammar.ok()) << grammar.status();
  if (!grammar.ok()) return false;
  const auto compiled = grammar::Grammar::Compile(*grammar);
  EXPECT_TRUE(compiled.ok()) << compiled.status() << "\n" << *grammar;
  if (!compiled.ok()) return false;
  std::vector<std::string> bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.emplace_back(1, static_cast<char>(byte));
  bytes.emplace_back();
  grammar::Matcher matcher(
      *compiled, std::make_shared<const grammar::Vocabulary>(bytes, std::vector<TokenId>{256}));
  return matcher.AcceptBytes(text) && matcher.MayEnd();
}

Json Tool(const std::string& name, const std::string& type, bool strict = false) {
  return {{"type", "function"},
          {"function",
           {{"name", name},
            {"strict", strict},
            {"parameters", {{"properties", {{"x", {{"type", type}}}}}, {"required", {"x"}}}}}}};
}

CallRules Rules(bool several, bool required) {
  return {.tools = {Tool("f", "integer"), Tool("g", "string", true)},
          .several = several,
          .required = required};
}

TEST(CallGrammar, HoldsHermesCallsToTheirSchemas) {
  const auto grammar = CallGrammar(ToolFormat::kHermes, Rules(true, true));
  const std::string f = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>";
  const std::string g =
      "<tool_call>\n{\"name\": \"g\", \"arguments\": {\"x\":\"\u00e9\"}}\n</tool_call>";

  EXPECT_TRUE(Fits(grammar, f));
  EXPECT_TRUE(Fits(grammar, f + "\n" + g + "\n" + f));
  EXPECT_FALSE(Fits(grammar, ""));
  EXPECT_FALSE(Fits(grammar, "Hello."));
  EXPECT_FALSE(Fits(grammar,
                    "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": \"a\"}}\n"
                    "</tool_call>"));
  EXPECT_FALSE(Fits(grammar, "<tool_call>\n{\"name\": \"h\", \"arguments\": {}}\n</tool_call>"));
  EXPECT_FALSE(Fits(CallGrammar(ToolFormat::kHermes, Rules(false, true)), f + "\n" + g));
}

TEST(CallGrammar, LeavesTextAloneThatDoesNotCall) {
  const auto grammar = CallGrammar(ToolFormat::kHermes, Rules(true, false));
  const std::string call =
      "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>";

  for (const std::string text :
       {"", "Hello.", "a < b <tool <<tool_cal", "<", "<tool_call", "é\n"}) {
    EXPECT_TRUE(Fits(grammar, text)) << text;
    EXPECT_TRUE(Fits(grammar, text + call)) << text;
  }
  EXPECT_FALSE(Fits(grammar, "<tool_call>"));
  EXPECT_FALSE(Fits(grammar, "a <<tool_call>{}"));
}

TEST(CallGrammar, WritesCallsAsLlamaAndMistralDo) {
  const auto llama = CallGrammar(ToolFormat::kLlama3, Rules(true, true));
  EXPECT_TRUE(Fits(llama, R"({"name": "f", "parameters": {"x": 1}})"));
  EXPECT_TRUE(Fits(
      llama, R"({"name": "f", "parameters": {"x":1}}; {"name": "g", "parameters": {"x":""}})"));
  EXPECT_FALSE(Fits(llama, "Hello."));
  const auto maybe = CallGrammar(ToolFormat::kLlama3, Rules(true, false));
  EXPECT_TRUE(Fits(maybe, "\nHello {."));
  EXPECT_FALSE(Fits(maybe, R"({"name": "f", "parameters": {"x": "a"}})"));
  const auto mistral = CallGrammar(ToolFormat::kMistral, Rules(true, true));
  EXPECT_TRUE(Fits(mistral, R"([TOOL_CALLS][{"name": "f", "arguments": {"x": 1}}, )"
                            R"({"name": "g", "arguments": {"x": "a"}}])"));
}

TEST(CallGrammar, TakesAnyObjectForASchemaBeyondItUnlessItIsStrict) {
  Json tool = Tool("f", "string");
  tool["function"]["parameters"]["not"] = Json::object();
  CallRules rules{.tools = {tool}};
  EXPECT_TRUE(Fits(CallGrammar(ToolFormat::kLlama3, rules),
                   R"({"name": "f", "parameters": {"any": [null]}})"));

  rules.tools[0]["function"]["strict"] = true;
  const auto strict = CallGrammar(ToolFormat::kLlama3, rules);
  ASSERT_FALSE(strict.ok());
  EXPECT_NE(strict.status().message().find("'f'"), std::string::npos);
}

TEST(CallGrammar, KeepsTheRulesOfSchemasApart) {
  Json list = Tool("f", "string");
  list["function"]["parameters"] = Json::parse(R"({"type":"object","properties":
      {"next":{"$ref":"#"}},"additionalProperties":false})");
  CallRules rules{.tools = {list, Tool("g", "integer")}};
  const auto grammar = CallGrammar(ToolFormat::kLlama3, rules);

  EXPECT_TRUE(Fits(grammar, R"({"name": "f", "parameters": {"next": {"next": {}}}})"));
  EXPECT_FALSE(Fits(grammar, R"({"name": "f", "parameters": {"x": 1}})"));
}

TEST(AfterReasoning, LetsAModelThinkFirst) {
  const auto begun = AfterReasoning("root ::= \"yes\" | no\nno ::= \"no\"\n", true);
  EXPECT_TRUE(Fits(begun, "Well </thin <</think>yes"));
  EXPECT_TRUE(Fits(begun, "</think>\n\nno"));
  EXPECT_FALSE(Fits(begun, "yes"));
  EXPECT_FALSE(Fits(begun, "a</think>b</think>yes"));
  const auto open = AfterReasoning("start ::= \"yes\"\n", false);
  EXPECT_TRUE(Fits(open, "yes"));
  EXPECT_TRUE(Fits(open, "<think>\nWell.\n</think>\n\nyes"));
  EXPECT_FALSE(Fits(open, "Well.</think>yes"));
}

}  // namespace
}  // namespace baton::api
