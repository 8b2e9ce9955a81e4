#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "baton/api/requests.h"
#include "support/tiny_tokenizer.h"

namespace baton::api {
namespace {

using json = nlohmann::ordered_json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// Says everything that it is given.
constexpr char kTemplate[] =
    "{% if tools %}<tools>{{ tools | tojson }}</tools>{% endif %}"
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}"
    "{% if m.reasoning_content %}<r>{{ m.reasoning_content }}</r>{% endif %}"
    "{% for c in m.tool_calls or [] %}<tool_call>{{ c | tojson }}</tool_call>{% endfor %}"
    "{% if m.tool_call_id %}({{ m.tool_call_id }}){% endif %}{% endfor %}"
    "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}"
    "{{ reasoning_effort }}{{ opening }}";

class ToolRequest : public testing::Test {
 protected:
  ToolRequest() { Use(kTemplate); }

  void Use(const std::string& source) {
    auto parsed = text::ChatTemplate::Parse(source);
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    chat_template.emplace(*std::move(parsed));
    options.model = "tiny";
    options.context_tokens = 100'000;
    format = *FindChatFormat("auto", "auto", &*chat_template);
  }
  std::optional<ApiError> Read(json fields) {
    if (!fields.contains("messages")) fields["messages"] = {{{"role", "user"}, {"content", "Hi"}}};
    plan = {};
    const ServedModel model{.options = options,
                            .tokenizer = *tokenizer,
                            .chat_template = &*chat_template,
                            .clock = clock,
                            .longest_token_bytes = 12,
                            .unknown_fields = metrics.AddCounter("unknown", "x"),
                            .grammars = grammars,
                            .format = format};
    return ReadChatCompletion(fields.dump(), model, plan);
  }
  const std::string& prompt() const { return plan.prompts.at(0).text; }

  std::unique_ptr<text::Tokenizer> tokenizer = test::MakeTinyTokenizer();
  std::optional<text::ChatTemplate> chat_template;
  telemetry::MetricRegistry metrics;
  grammar::GrammarCache grammars;
  ManualClock clock;
  ApiOptions options;
  ChatFormat format;
  CompletionPlan plan;
};

#define ASSERT_READ(expression)                                  \
  do {                                                           \
    const std::optional<ApiError> read_error = (expression);     \
    ASSERT_FALSE(read_error.has_value()) << read_error->message; \
  } while (false)

json Tool(const std::string& name) {
  return {{"type", "function"},
          {"function",
           {{"name", name}, {"parameters", {{"type", "object"}, {"properties", json::object()}}}}}};
}

json Named(const std::string& name) {
  return {{"type", "function"}, {"function", {{"name", name}}}};
}

json AssistantCalls(const std::string& arguments) {
  return {{{"role", "user"}, {"content", "Hi"}},
          {{"role", "assistant"},
           {"content", nullptr},
           {"tool_calls",
            {{{"id", "call_1"},
              {"type", "function"},
              {"function", {{"name", "f"}, {"arguments", arguments}}}}}}},
          {{"role", "tool"}, {"tool_call_id", "call_1"}, {"content", "42"}}};
}

TEST_F(ToolRequest, ShowsToolsToTheTemplateAsTheyCame) {
  ASSERT_READ(Read({{"tools", {Tool("f"), Tool("g")}}}));

  EXPECT_THAT(prompt(), HasSubstr(R"(<tools>[{"type": "function", "function": {"name": "f")"));
  EXPECT_EQ(plan.reading.tools, ToolFormat::kHermes);
  EXPECT_THAT(plan.reading.tool_names, ElementsAre("f", "g"));
  EXPECT_FALSE(plan.reading.one_call || plan.reading.named);
}

TEST_F(ToolRequest, GivesAFunctionWithoutParametersNone) {
  ASSERT_READ(Read({{"tools", {Named("f")}}}));

  EXPECT_THAT(prompt(), HasSubstr(R"("parameters": {"type": "object", "properties": {}})"));
}

TEST_F(ToolRequest, ShowsToolsButReadsNoCallsWhenNoneMayBeMade) {
  ASSERT_READ(Read({{"tools", {Tool("f")}}, {"tool_choice", "none"}}));

  EXPECT_THAT(prompt(), HasSubstr("<tools>"));
  EXPECT_EQ(plan.reading.tools, ToolFormat::kNone);
}

TEST_F(ToolRequest, EndsAtTheFirstCallWithoutParallelCalls) {
  ASSERT_READ(Read({{"tools", {Tool("f")}}, {"parallel_tool_calls", false}}));

  EXPECT_TRUE(plan.reading.one_call);
}

TEST_F(ToolRequest, ShowsOnlyTheToolsThatAreAllowed) {
  ASSERT_READ(Read({{"tools", {Tool("f"), Tool("g")}},
                    {"tool_choice",
                     {{"type", "allowed_tools"},
                      {"allowed_tools", {{"mode", "auto"}, {"tools", {Named("g")}}}}}}}));

  EXPECT_THAT(prompt(), Not(HasSubstr(R"("f")")));
  EXPECT_THAT(plan.reading.tool_names, ElementsAre("g"));
}

TEST_F(ToolRequest, HoldsTheOutputToTheCallsThatItMustMake) {
  ASSERT_READ(Read({{"tools", {Tool("f"), Tool("g")}}, {"tool_choice", "required"}}));
  EXPECT_THAT(plan.grammar, HasSubstr("{\\\"name\\\": \\\"f\\\""));
  EXPECT_THAT(plan.grammar, HasSubstr("{\\\"name\\\": \\\"g\\\""));
  EXPECT_FALSE(plan.reading.named);
  ASSERT_READ(Read({{"tools", {Tool("f"), Tool("g")}}, {"tool_choice", Named("g")}}));
  EXPECT_THAT(plan.grammar, Not(HasSubstr("\\\"f\\\"")));
  EXPECT_TRUE(plan.reading.named && plan.reading.one_call);
}

TEST_F(ToolRequest, LeavesTheOutputFreeWhereItMayCallButForStrictTools) {
  json strict = Tool("f");
  ASSERT_READ(Read({{"tools", {strict}}}));
  EXPECT_EQ(plan.grammar, "");
  strict["function"]["strict"] = true;
  ASSERT_READ(Read({{"tools", {strict}}}));
  EXPECT_THAT(plan.grammar, HasSubstr("f0-root"));
}

TEST_F(ToolRequest, LetsAModelThinkBeforeAFormat) {
  ASSERT_READ(Read({{"response_format", {{"type", "json_object"}}},
                    {"chat_template_kwargs", {{"opening", "<think>"}}}}));

  EXPECT_THAT(plan.grammar, HasSubstr("/think>"));
}

TEST_F(ToolRequest, RefusesAFormatBesideARequiredCall) {
  const auto error = Read({{"tools", {Tool("f")}},
                           {"tool_choice", "required"},
                           {"response_format", {{"type", "json_object"}}}});

  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->param, "tool_choice");
}

TEST_F(ToolRequest, GivesArgumentsOfEarlierCallsAsAnObject) {
  ASSERT_READ(Read({{"messages", AssistantCalls(R"({"b": 1, "a": [2]})")}}));

  EXPECT_THAT(prompt(), HasSubstr(R"("arguments": {"b": 1, "a": [2]})"));
  EXPECT_THAT(prompt(), HasSubstr("[assistant]<tool_call>"));
  EXPECT_THAT(prompt(), HasSubstr("[tool]42(call_1)"));
}

TEST_F(ToolRequest, GivesArgumentsAsTextWhereTheTemplateWantsText) {
  Use("{% for m in messages %}{% if m.content is none %}"
      "{{ '<' + m.tool_calls[0].function.arguments }}{% endif %}{% endfor %}");
  ASSERT_READ(Read({{"messages", AssistantCalls(R"({"b":  1})")}}));

  EXPECT_EQ(prompt(), R"(<{"b":  1})");
}

TEST_F(ToolRequest, TakesEmptyArgumentsForNone) {
  ASSERT_READ(Read({{"messages", AssistantCalls("")}}));

  EXPECT_THAT(prompt(), HasSubstr(R"("arguments": {})"));
}

TEST_F(ToolRequest, LeavesNoTraceOfAbsentCalls) {
  Use("{% for m in messages %}{{ 'tool_calls' in m or 'function_call' in m }}{% endfor %}");
  ASSERT_READ(Read({{"messages",
                     {{{"role", "assistant"},
                       {"content", "a"},
                       {"tool_calls", nullptr},
                       {"function_call", nullptr}},
                      {{"role", "assistant"}, {"content", "b"}, {"tool_calls", json::array()}}}}}));

  EXPECT_EQ(prompt(), "FalseFalse");
}

TEST_F(ToolRequest, PassesEarlierReasoningOnUnderBothNames) {
  for (const char* name : {"reasoning", "reasoning_content"}) {
    ASSERT_READ(
        Read({{"messages", {{{"role", "assistant"}, {"content", "a"}, {name, "thought"}}}}}));
    EXPECT_THAT(prompt(), HasSubstr("<r>thought</r>"));
  }
}

TEST_F(ToolRequest, TurnsThinkingOffForNoEffort) {
  ASSERT_READ(Read({{"reasoning_effort", "none"}}));
  EXPECT_THAT(prompt(), testing::EndsWith("<think></think>none"));
  ASSERT_READ(Read({{"reasoning_effort", "high"}}));
  EXPECT_THAT(prompt(), testing::EndsWith("Hihigh"));
  ASSERT_READ(
      Read({{"reasoning_effort", "none"}, {"chat_template_kwargs", {{"enable_thinking", true}}}}));
  EXPECT_THAT(prompt(), Not(HasSubstr("<think>")));
}

TEST_F(ToolRequest, KnowsAPromptThatOpensTheReasoning) {
  ASSERT_READ(Read({{"chat_template_kwargs", {{"opening", "<think>\n"}}}}));
  EXPECT_TRUE(plan.reading.begins_in_reasoning);
  ASSERT_READ(Read({{"messages", {{{"role", "user"}, {"content", "<think>"}}}},
                    {"chat_template_kwargs", {{"opening", "assistant:"}}}}));
  EXPECT_FALSE(plan.reading.begins_in_reasoning);
  EXPECT_EQ(plan.reading.reasoning, ReasoningFormat::kThink);
}

TEST_F(ToolRequest, SaysThatATemplateDoesNotUseTools) {
  Use("{% for m in messages %}{{ m.content }}{% endfor %}");
  for (const json& fields :
       {json{{"tools", {Tool("f")}}}, json{{"messages", AssistantCalls("{}")}}}) {
    const auto error = Read(fields);
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code, "unsupported_parameter");
    EXPECT_THAT(error->message, HasSubstr("chat template"));
  }
  ASSERT_READ(Read({{"tools", {Tool("f")}}, {"tool_choice", "none"}}));
}

TEST_F(ToolRequest, SaysThatCallsCannotBeRead) {
  format.tools = ToolFormat::kNone;
  const auto error = Read({{"tools", {Tool("f")}}});

  ASSERT_TRUE(error.has_value());
  EXPECT_THAT(error->message, HasSubstr("router.tool_parser"));
}

struct BadTool {
  json fields;
  std::string param;
};

class BadTools : public ToolRequest, public testing::WithParamInterface<BadTool> {};

TEST_P(BadTools, AreRefusedByName) {
  const auto error = Read(GetParam().fields);

  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->status, 400);
  EXPECT_EQ(error->param, GetParam().param);
}

json Function(json function) {
  return {{"tools", {{{"type", "function"}, {"function", std::move(function)}}}}};
}

json Choice(json choice) { return {{"tools", {Tool("f")}}, {"tool_choice", std::move(choice)}}; }

json Assistant(json call) {
  return {{"messages",
           {{{"role", "assistant"}, {"content", nullptr}, {"tool_calls", {std::move(call)}}}}}};
}

json ManyTools() {
  json tools;
  for (int i = 0; i < 129; ++i) tools.push_back(Tool("f" + std::to_string(i)));
  return {{"tools", tools}};
}

INSTANTIATE_TEST_SUITE_P(
    Fields, BadTools,
    testing::Values(
        BadTool{{{"tools", "f"}}, "tools"}, BadTool{ManyTools(), "tools"},
        BadTool{{{"tools", {1}}}, "tools[0]"},
        BadTool{{{"tools", {{{"type", "custom"}, {"custom", {{"name", "f"}}}}}}}, "tools[0].type"},
        BadTool{{{"tools", {{{"type", "function"}}}}}, "tools[0].function"},
        BadTool{Function(json::object()), "tools[0].function.name"},
        BadTool{Function({{"name", 5}}), "tools[0].function.name"},
        BadTool{Function({{"name", "a b"}}), "tools[0].function.name"},
        BadTool{Function({{"name", std::string(65, 'f')}}), "tools[0].function.name"},
        BadTool{Function({{"name", "f"}, {"parameters", "x"}}), "tools[0].function.parameters"},
        BadTool{Function({{"name", "f"}, {"description", 1}}), "tools[0].function.description"},
        BadTool{Function({{"name", "f"}, {"strict", 1}}), "tools[0].function.strict"},
        BadTool{Function({{"name", "f"}, {"description", std::string(1 << 20, 'x')}}), "tools"},
        BadTool{{{"tools", {Tool("f"), Tool("f")}}}, "tools[1].function.name"},
        BadTool{{{"tool_choice", "required"}}, "tool_choice"},
        BadTool{Choice("always"), "tool_choice"}, BadTool{Choice(Named("g")), "tool_choice"},
        BadTool{Choice({{"type", "function"}}), "tool_choice"},
        BadTool{Choice({{"type", "allowed_tools"}}), "tool_choice.allowed_tools"},
        BadTool{Choice({{"type", "allowed_tools"},
                        {"allowed_tools", {{"mode", "auto"}, {"tools", {Named("g")}}}}}),
                "tool_choice"},
        BadTool{{{"parallel_tool_calls", 1}}, "parallel_tool_calls"},
        BadTool{{{"functions", {{{"name", "f"}}}}}, "functions"},
        BadTool{{{"function_call", "auto"}}, "function_call"},
        BadTool{{{"include_reasoning", "no"}}, "include_reasoning"},
        BadTool{{{"reasoning_effort", "much"}}, "reasoning_effort"}));

INSTANTIATE_TEST_SUITE_P(
    Messages, BadTools,
    testing::Values(
        BadTool{Assistant(1), "messages[0].tool_calls[0]"},
        BadTool{Assistant({{"type", "custom"}}), "messages[0].tool_calls[0].type"},
        BadTool{Assistant({{"type", "function"}}), "messages[0].tool_calls[0].id"},
        BadTool{Assistant({{"id", "1"}}), "messages[0].tool_calls[0].function"},
        BadTool{Assistant({{"id", "1"}, {"function", json::object()}}),
                "messages[0].tool_calls[0].function.name"},
        BadTool{Assistant({{"id", "1"}, {"function", {{"name", "f"}, {"arguments", 1}}}}),
                "messages[0].tool_calls[0].function.arguments"},
        BadTool{Assistant({{"id", "1"}, {"function", {{"name", "f"}, {"arguments", "{"}}}}),
                "messages[0].tool_calls[0].function.arguments"},
        BadTool{{{"messages",
                  {{{"role", "assistant"}, {"content", "a"}, {"function_call", {{"name", "f"}}}}}}},
                "messages[0].function_call"},
        BadTool{{{"messages", {{{"role", "tool"}, {"content", "42"}}}}},
                "messages[0].tool_call_id"},
        BadTool{{{"messages", {{{"role", "assistant"}, {"content", "a"}, {"reasoning", 1}}}}},
                "messages[0].reasoning"}));

/// A conversation with calls, in the model's own template.
class RealTemplateRequests : public ToolRequest {
 protected:
  void UseReal(const std::string& model) {
    std::ifstream file(BATON_SOURCE_DIR "/../shared/data/chat-templates/chat_templates.json");
    if (!file) GTEST_SKIP() << "the real templates are not here";
    Use(json::parse(file).at(model).get<std::string>());
  }
};

TEST_F(RealTemplateRequests, QwenShowsCallsAndResults) {
  UseReal("Qwen-Qwen2.5-7B-Instruct");
  if (IsSkipped()) return;
  ASSERT_READ(Read({{"messages", AssistantCalls(R"({"a": 1})")}, {"tools", {Tool("f")}}}));

  EXPECT_THAT(prompt(), HasSubstr("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n"
                                  "</tool_call>"));
  EXPECT_THAT(prompt(), HasSubstr("<tool_response>\n42\n</tool_response>"));
}

TEST_F(RealTemplateRequests, MistralTakesIdsOfOtherServersToo) {
  UseReal("mistralai-Mistral-Nemo-Instruct-2407");
  if (IsSkipped()) return;
  json messages = AssistantCalls(R"({"a": 1})");
  messages[1]["tool_calls"][0]["id"] = "call_abcdefghi";
  messages[2]["tool_call_id"] = "call_abcdefghi";
  ASSERT_READ(Read({{"messages", messages},
                    {"chat_template_kwargs", {{"bos_token", "<s>"}, {"eos_token", "</s>"}}}}));

  EXPECT_THAT(prompt(), HasSubstr(R"([TOOL_CALLS][{"name": "f", "arguments": {"a": 1}, )"
                                  R"("id": "abcdefghi"}]</s>)"));
  EXPECT_THAT(prompt(), HasSubstr(R"("call_id": "abcdefghi"})"));
}

TEST_F(RealTemplateRequests, DeepSeekOpensTheReasoningInThePrompt) {
  UseReal("deepseek-ai-DeepSeek-R1-Distill-Llama-8B");
  if (IsSkipped()) return;
  ASSERT_READ(Read(json::object()));

  EXPECT_TRUE(plan.reading.begins_in_reasoning);
}

}  // namespace
}  // namespace baton::api
