#include "baton/api/chat_format.h"

#include <fstream>
#include <optional>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace baton::api {
namespace {

ChatFormat FormatOf(const std::string& source) {
  const auto chat_template = text::ChatTemplate::Parse(source);
  EXPECT_TRUE(chat_template.ok()) << chat_template.status();
  const Result<ChatFormat> format = FindChatFormat("auto", "auto", &*chat_template);
  EXPECT_TRUE(format.ok()) << format.status();
  return format.ok() ? *format : ChatFormat{};
}

TEST(ChatFormat, IsPlainWithoutATemplate) {
  const auto format = FindChatFormat("auto", "auto", nullptr);

  EXPECT_EQ(format->tools, ToolFormat::kNone);
  EXPECT_EQ(format->reasoning, ReasoningFormat::kNone);
}

TEST(ChatFormat, IsWhatTheConfigurationSays) {
  const auto format = FindChatFormat("mistral", "think", nullptr);

  EXPECT_EQ(format->tools, ToolFormat::kMistral);
  EXPECT_EQ(format->reasoning, ReasoningFormat::kThink);
  EXPECT_FALSE(FindChatFormat("best", "auto", nullptr).ok());
  EXPECT_FALSE(FindChatFormat("auto", "deep", nullptr).ok());
}

TEST(ChatFormat, KnowsATemplateThatDoesNotUseTools) {
  const ChatFormat format = FormatOf("{% for m in messages %}{{ m.content }}{% endfor %}");

  EXPECT_FALSE(format.takes_tools);
  EXPECT_FALSE(format.shows_calls);
}

TEST(ChatFormat, FindsOutHowATemplateTakesEarlierCalls) {
  const std::string loop = "{% for m in messages if m.tool_calls %}";
  const std::string end = "{% endfor %}";
  const ChatFormat object =
      FormatOf(loop + "{{ m.tool_calls[0].function.arguments | tojson }}" + end);
  EXPECT_TRUE(object.shows_calls && !object.arguments_as_text && !object.null_content);
  const ChatFormat text = FormatOf(loop + "{{ '<' + m.tool_calls[0].function.arguments }}" + end);
  EXPECT_TRUE(text.shows_calls && text.arguments_as_text && !text.null_content);
  const ChatFormat null = FormatOf(
      loop + "{% if m.content is none %}{{ '<' + m.tool_calls[0].function.arguments }}{% endif %}" +
      end);
  EXPECT_TRUE(null.shows_calls && null.arguments_as_text && null.null_content);
}

TEST(ChatFormat, DoesNotTakeXmlInToolCallTagsForJson) {
  EXPECT_EQ(FormatOf("<tool_call><function=f>").tools, ToolFormat::kNone);
}

struct RealTemplate {
  std::string model;
  ToolFormat tools;
  ReasoningFormat reasoning;
  bool takes_tools;
  bool shows_calls;
  bool arguments_as_text;
  bool null_content;
};

class RealTemplates : public testing::TestWithParam<RealTemplate> {};

TEST_P(RealTemplates, AreTakenForWhatTheyAre) {
  std::ifstream file(BATON_SOURCE_DIR "/../shared/data/chat-templates/chat_templates.json");
  if (!file) GTEST_SKIP() << "the real templates are not here";
  const RealTemplate& wanted = GetParam();
  const ChatFormat format = FormatOf(nlohmann::json::parse(file).at(wanted.model));

  EXPECT_EQ(format.tools, wanted.tools);
  EXPECT_EQ(format.reasoning, wanted.reasoning);
  EXPECT_EQ(format.takes_tools, wanted.takes_tools);
  EXPECT_EQ(format.shows_calls, wanted.shows_calls);
  EXPECT_EQ(format.arguments_as_text, wanted.arguments_as_text);
  EXPECT_EQ(format.null_content, wanted.null_content);
}

constexpr auto kNoTools = ToolFormat::kNone;
constexpr auto kPlain = ReasoningFormat::kNone;
constexpr auto kThink = ReasoningFormat::kThink;

INSTANTIATE_TEST_SUITE_P(
    All, RealTemplates,
    testing::Values(
        RealTemplate{"NousResearch-Hermes-3-Llama-3.1-8B-tool_use", ToolFormat::kHermes, kPlain,
                     true, true, false, false},
        RealTemplate{"Qwen-Qwen2.5-7B-Instruct", ToolFormat::kHermes, kPlain, true, true, false,
                     false},
        RealTemplate{"Qwen-Qwen3-0.6B", ToolFormat::kHermes, kThink, true, true, false, false},
        RealTemplate{"meta-llama-Llama-3.1-8B-Instruct", ToolFormat::kLlama3, kPlain, true, true,
                     false, false},
        RealTemplate{"meta-llama-Llama-3.2-3B-Instruct", ToolFormat::kLlama3, kPlain, true, true,
                     false, false},
        RealTemplate{"mistralai-Mistral-Nemo-Instruct-2407", ToolFormat::kMistral, kPlain, true,
                     true, false, false},
        RealTemplate{"deepseek-ai-DeepSeek-R1-Distill-Llama-8B", kNoTools, kThink, false, true,
                     true, true},
        RealTemplate{"HuggingFaceTB-SmolLM3-3B", kNoTools, kThink, false, false, false, false},
        RealTemplate{"google-gemma-2-2b-it", kNoTools, kPlain, false, false, false, false},
        RealTemplate{"microsoft-Phi-3.5-mini-instruct", kNoTools, kPlain, false, false, false,
                     false},
        RealTemplate{"moonshotai-Kimi-K2", kNoTools, kPlain, true, true, false, false},
        RealTemplate{"openai-gpt-oss-120b", kNoTools, kPlain, true, true, false, false}),
    [](const auto& tested) {
      std::string name = tested.param.model;
      std::erase_if(name, [](char c) { return c == '-' || c == '.' || c == '_'; });
      return name;
    });

}  // namespace
}  // namespace baton::api
