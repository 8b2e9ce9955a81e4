#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "../readers.h"
#include "baton/api/requests.h"
#include "generation_fields.h"

namespace baton::api {

namespace {

constexpr int32_t kUsualMaxTokens = 16;
constexpr char kPromptTypes[] = "a string, an array of token ids, or an array of either";

/// One prompt: a string or an array of token ids.
void ReadPrompt(JsonFields& fields, const ServedModel& model, const Json& value,
                const text::EncodeOptions& options, const PromptSource& source,
                CompletionPlan& plan) {
  if (fields.error()) return;
  PlannedPrompt prompt;
  if (value.is_string()) {
    prompt.text = value.get<std::string>();
    Tokenize(fields, model, options, source, prompt);
  } else if (value.is_array()) {
    ReadTokenIds(fields, "prompt", value, model, prompt.tokens);
    if (fields.error()) return;
    if (plan.echo) prompt.text = model.tokenizer.Decode(prompt.tokens, plan.skip_special);
  } else {
    return fields.FailType("prompt", kPromptTypes, value);
  }
  FitToContext(fields, model, source, prompt);
  plan.prompts.push_back(std::move(prompt));
}

void ReadPrompts(JsonFields& fields, const ServedModel& model, const PromptSource& source,
                 CompletionPlan& plan) {
  text::EncodeOptions options;
  fields.Bool("add_special_tokens", options.add_special_tokens);
  const Json* value = fields.Find("prompt");
  if (value == nullptr) return fields.Fail("prompt", "'prompt' is missing");
  const bool several = value->is_array() && !value->empty() && !value->front().is_number();
  if (!several) return ReadPrompt(fields, model, *value, options, source, plan);
  const size_t limit = static_cast<size_t>(model.options.limits.prompts_per_request);
  if (value->size() > limit)
    return fields.Fail("prompt", "a request takes at most " + std::to_string(limit) +
                                     " prompts, got " + std::to_string(value->size()));
  for (const Json& item : *value) ReadPrompt(fields, model, item, options, source, plan);
}

void ReadEcho(JsonFields& fields, CompletionPlan& plan) {
  fields.Bool("echo", plan.echo);
  fields.Int("logprobs", plan.sampling.logprobs, 0, SamplingParams::kMaxTopLogprobs);
  plan.show_logprobs = plan.sampling.logprobs >= 0;
  if (plan.echo && plan.show_logprobs)
    plan.sampling.prompt_logprobs = std::max(plan.sampling.prompt_logprobs, plan.sampling.logprobs);
}

/// 0 asks for what there is to say of the prompt alone.
void ReadMaxTokens(JsonFields& fields, PromptSource& source, CompletionPlan& plan) {
  fields.Int("max_tokens", source.max_tokens, 0);
  if (source.max_tokens != 0) return;
  if (!plan.echo && !plan.show_prompt_logprobs)
    return fields.Fail("max_tokens",
                       "'max_tokens' must be at least 1, or 0 with 'echo' or "
                       "'prompt_logprobs'");
  plan.sampling.prompt_logprobs = std::max(plan.sampling.prompt_logprobs, 0);
}

void ReadBestOf(JsonFields& fields, const ServedModel& model, CompletionPlan& plan) {
  fields.Int("best_of", plan.candidates, plan.choices, model.options.limits.choices_per_prompt);
  if (plan.candidates == plan.choices) return;
  if (plan.stream)
    return fields.Fail("best_of",
                       "'best_of' above 'n' cannot be streamed: which outputs are best "
                       "shows at their end");
  // What the candidates are judged by.
  plan.sampling.logprobs = std::max(plan.sampling.logprobs, 0);
}

void RefuseSuffix(JsonFields& fields) {
  std::string suffix;
  fields.String("suffix", suffix);
  if (!suffix.empty())
    fields.Fail("suffix", "'suffix' is not supported: this model only writes on from a prompt",
                "unsupported_parameter");
}

}  // namespace

std::optional<ApiError> ReadTextCompletion(std::string_view body, const ServedModel& model,
                                           CompletionPlan& plan) {
  Json object;
  if (auto error = ParseBody(body, model.options.limits.json_depth, object)) return error;
  JsonFields fields(object);
  return ReadTextCompletion(fields, model, plan);
}

std::optional<ApiError> ReadTextCompletion(JsonFields& fields, const ServedModel& model,
                                           CompletionPlan& plan) {
  ReadGenerationFields(fields, model, plan);
  ReadEcho(fields, plan);
  ReadBestOf(fields, model, plan);
  RefuseSuffix(fields);
  PromptSource source{.param = "prompt", .usual_max_tokens = kUsualMaxTokens};
  ReadMaxTokens(fields, source, plan);
  ReadPrompts(fields, model, source, plan);
  return FinishPlan(fields, model, plan);
}

}  // namespace baton::api
