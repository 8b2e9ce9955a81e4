#include <limits>
#include <string>

#include "../readers.h"
#include "baton/api/requests.h"
#include "chat_prompt.h"
#include "generation_fields.h"
#include "tool_fields.h"

namespace baton::api {

namespace {

void ReadPrompt(JsonFields& fields, const ServedModel& model, const PromptSource& source,
                const ToolFields& tools, CompletionPlan& plan) {
  // The template writes the tokens that begin a text itself.
  text::EncodeOptions options{.add_special_tokens = false};
  fields.Bool("add_special_tokens", options.add_special_tokens);
  PlannedPrompt prompt;
  prompt.text = RenderChat(fields, model, tools.tools);
  Tokenize(fields, model, options, source, prompt);
  FitToContext(fields, model, source, prompt);
  plan.prompts.push_back(std::move(prompt));
}

void ReadLogprobs(JsonFields& fields, CompletionPlan& plan) {
  fields.Bool("logprobs", plan.show_logprobs);
  int32_t top = 0;
  fields.Int("top_logprobs", top, 0, SamplingParams::kMaxTopLogprobs);
  if (top > 0 && !plan.show_logprobs)
    fields.Fail("top_logprobs", "'top_logprobs' needs 'logprobs': true");
  if (plan.show_logprobs) plan.sampling.logprobs = top;
}

void RefuseUnsupported(JsonFields& fields) {
  for (const char* name : {"echo", "continue_final_message"}) {
    bool asked = false;
    fields.Bool(name, asked);
    if (asked)
      fields.Fail(name, "'" + std::string(name) + "' is not supported", "unsupported_parameter");
  }
  if (fields.Find("chat_template") != nullptr)
    fields.Fail("chat_template", "'chat_template' is the server's to choose",
                "unsupported_parameter");
}

}  // namespace

std::optional<ApiError> ReadChatCompletion(std::string_view body, const ServedModel& model,
                                           CompletionPlan& plan) {
  Json object;
  if (auto error = ParseBody(body, model.options.limits.json_depth, object)) return error;
  JsonFields fields(object);
  return ReadChatCompletion(fields, model, plan);
}

std::optional<ApiError> ReadChatCompletion(JsonFields& fields, const ServedModel& model,
                                           CompletionPlan& plan) {
  plan.chat = true;
  ReadGenerationFields(fields, model, plan);
  ReadLogprobs(fields, plan);
  RefuseUnsupported(fields);
  PromptSource source{.param = "messages", .usual_max_tokens = std::numeric_limits<int32_t>::max()};
  fields.Int("max_tokens", source.max_tokens, 1);
  // The newer name wins.
  fields.Int("max_completion_tokens", source.max_tokens, 1);
  ToolFields tools;
  ReadToolFields(fields, model, tools);
  ReadPrompt(fields, model, source, tools, plan);
  ReadOutputFields(fields, model, tools, plan);
  return FinishPlan(fields, model, plan);
}

}  // namespace baton::api
