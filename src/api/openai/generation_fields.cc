#include "generation_fields.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "../readers.h"
#include "baton/base/logging.h"
#include "baton/base/random.h"
#include "constraint_fields.h"

namespace baton::api {

namespace {

/// Fields that change the output in ways not built yet. Null, false, "", [] and {} ask for nothing.
constexpr const char* kUnsupported[] = {"allowed_token_ids", "audio",
                                        "bad_words",         "kv_transfer_params",
                                        "logits_processors", "truncate_prompt_tokens",
                                        "typical_p",         "use_beam_search",
                                        "web_search_options"};

/// Fields that cannot change the output here.
constexpr const char* kIgnored[] = {"metadata",
                                    "prediction",
                                    "prompt_cache_key",
                                    "request_id",
                                    "safety_identifier",
                                    "service_tier",
                                    "spaces_between_special_tokens",
                                    "store",
                                    "user",
                                    "verbosity"};

constexpr char kContextExceeded[] = "context_length_exceeded";

constexpr size_t kMostLabelBytes = 256;
/// A day.
constexpr float kMostSloMs = 86'400'000;

bool AsksForNothing(const Json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>().empty();
  return value.is_null() || value == false || (value.is_structured() && value.empty());
}

/// Fields of chats that a text completion cannot have.
constexpr const char* kOfChats[] = {"function_call", "functions", "tools"};

void RefuseUnsupported(JsonFields& fields, bool chat) {
  std::vector<const char*> unsupported(std::begin(kUnsupported), std::end(kUnsupported));
  if (!chat) {
    unsupported.insert(unsupported.end(), std::begin(kOfChats), std::end(kOfChats));
    for (const char* name : {"parallel_tool_calls", "reasoning_effort", "tool_choice"})
      fields.Ignore(name);
  }
  for (const char* name : unsupported) {
    const Json* field = fields.Find(name);
    if (field != nullptr && !AsksForNothing(*field))
      fields.Fail(name, "'" + std::string(name) + "' is not supported", "unsupported_parameter");
  }
  if (const Json* modalities = fields.Find("modalities");
      modalities != nullptr && *modalities != Json::array({"text"}))
    fields.Fail("modalities", "only the modality 'text' is supported", "unsupported_parameter");
}

/// A time in milliseconds above 0.
void ReadMilliseconds(JsonFields& fields, const std::string& name, Duration& value) {
  float ms = 0;
  if (fields.Find(name) == nullptr) return;
  fields.Float(name, ms);
  if (!(ms > 0 && ms <= kMostSloMs))
    return fields.Fail(name, "'" + fields.Path(name) + "' must be above 0 and at most " +
                                 std::to_string(static_cast<int64_t>(kMostSloMs)) +
                                 " milliseconds");
  value = std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::milli>(ms));
}

/// An identifier of the client's: kept as it is, so it must not be long.
void ReadLabel(JsonFields& fields, const std::string& name, std::string& value) {
  fields.String(name, value);
  if (value.size() > kMostLabelBytes)
    fields.Fail(name, "'" + fields.Path(name) + "' takes at most " +
                          std::to_string(kMostLabelBytes) + " bytes, got " +
                          std::to_string(value.size()));
}

/// Fields of Baton's own; see README.md.
void ReadBatonFields(JsonFields& fields, CompletionPlan& plan) {
  const Json* baton = fields.Find("baton");
  if (baton == nullptr) return;
  if (!baton->is_object()) return fields.FailType("baton", "an object", *baton);
  JsonFields own(*baton, "baton.");
  bool timing = false;
  own.Bool("timings", plan.timings);
  own.Bool("timing", timing);
  plan.timings |= timing;
  own.Bool("trace", plan.trace);
  own.Int("priority", plan.priority);
  ReadMilliseconds(own, "ttft_slo_ms", plan.slo.ttft);
  ReadMilliseconds(own, "tpot_slo_ms", plan.slo.tpot);
  ReadLabel(own, "session", plan.session);
  ReadLabel(own, "cache_salt", plan.cache_salt);
  if (const std::vector<std::string> unknown = own.Unknown(); !unknown.empty())
    own.Fail(unknown.front(), "'baton' has no field '" + unknown.front() + "'",
             "unknown_parameter");
  if (own.error()) fields.Fail(*own.error());
}

void ReadStreamOptions(JsonFields& fields, CompletionPlan& plan) {
  const Json* value = fields.Find("stream_options");
  if (value == nullptr) return;
  if (!value->is_object()) return fields.FailType("stream_options", "an object", *value);
  if (!plan.stream) return fields.Fail("stream_options", "'stream_options' needs 'stream': true");
  JsonFields options(*value, "stream_options.");
  options.Bool("include_usage", plan.include_usage);
  options.Bool("continuous_usage_stats", plan.continuous_usage);
  if (options.error()) return fields.Fail(*options.error());
  plan.continuous_usage = plan.continuous_usage && plan.include_usage;
}

void ReadStream(JsonFields& fields, CompletionPlan& plan) {
  fields.Bool("stream", plan.stream);
  ReadStreamOptions(fields, plan);
}

void ReadStops(JsonFields& fields, const ApiLimits& limits, CompletionPlan& plan) {
  const Json* stop = fields.Find("stop");
  if (stop == nullptr) return;
  if (stop->is_string()) {
    plan.stops.push_back(stop->get<std::string>());
  } else if (!stop->is_array()) {
    return fields.FailType("stop", "a string or an array of strings", *stop);
  } else if (stop->size() > static_cast<size_t>(limits.stop_strings)) {
    return fields.Fail("stop", "'stop' takes at most " + std::to_string(limits.stop_strings) +
                                   " strings, got " + std::to_string(stop->size()));
  } else {
    for (const Json& item : *stop) {
      if (!item.is_string()) return fields.FailType("stop", "an array of strings", item);
      plan.stops.push_back(item.get<std::string>());
    }
  }
  std::erase(plan.stops, "");
  size_t bytes = 0;
  for (const std::string& text : plan.stops) bytes += text.size();
  if (bytes > limits.stop_bytes)
    fields.Fail("stop", "'stop' takes at most " + std::to_string(limits.stop_bytes) +
                            " bytes in all, got " + std::to_string(bytes));
}

void ReadStopTokens(JsonFields& fields, SamplingParams& sampling) {
  const Json* tokens = fields.Find("stop_token_ids");
  if (tokens == nullptr) return;
  if (!tokens->is_array())
    return fields.FailType("stop_token_ids", "an array of token ids", *tokens);
  for (const Json& item : *tokens) {
    const std::optional<int64_t> token = ToInteger(item);
    if (!token || *token < 0 || *token > std::numeric_limits<TokenId>::max())
      return fields.Fail("stop_token_ids", "'stop_token_ids' must be an array of token ids");
    sampling.stop_token_ids.push_back(static_cast<TokenId>(*token));
  }
}

/// {"<token id>": bias, ...}
void ReadLogitBias(JsonFields& fields, SamplingParams& sampling) {
  const Json* biases = fields.Find("logit_bias");
  if (biases == nullptr) return;
  if (!biases->is_object()) return fields.FailType("logit_bias", "an object", *biases);
  for (const auto& [name, value] : biases->items()) {
    TokenId token = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), token);
    if (error != std::errc() || end != name.data() + name.size() || token < 0)
      return fields.Fail("logit_bias",
                         "'logit_bias' has the key '" + name + "', which is no token id");
    if (!value.is_number()) return fields.FailType("logit_bias", "an object of numbers", value);
    sampling.logit_bias.push_back({token, value.get<float>()});
  }
  std::sort(sampling.logit_bias.begin(), sampling.logit_bias.end(),
            [](const LogitBias& a, const LogitBias& b) { return a.token < b.token; });
}

void ReadSampling(JsonFields& fields, SamplingParams& sampling) {
  fields.Float("temperature", sampling.temperature);
  fields.Float("top_p", sampling.top_p);
  fields.Float("min_p", sampling.min_p);
  fields.Float("repetition_penalty", sampling.repetition_penalty);
  fields.Float("frequency_penalty", sampling.frequency_penalty);
  fields.Float("presence_penalty", sampling.presence_penalty);
  fields.Int("top_k", sampling.top_k, -1);
  // Others write "all" as -1.
  sampling.top_k = std::max(sampling.top_k, 0);
  fields.Int("min_tokens", sampling.min_tokens, 0);
  fields.Bool("ignore_eos", sampling.ignore_eos);
  std::optional<uint64_t> seed;
  fields.Seed("seed", seed);
  sampling.seed = seed ? *seed : RandomSeed();
  ReadStopTokens(fields, sampling);
  ReadLogitBias(fields, sampling);
}

void ReadPromptLogprobs(JsonFields& fields, CompletionPlan& plan) {
  fields.Int("prompt_logprobs", plan.sampling.prompt_logprobs, 0, SamplingParams::kMaxTopLogprobs);
  plan.show_prompt_logprobs = plan.sampling.prompt_logprobs >= 0;
  if (plan.show_prompt_logprobs && plan.stream)
    fields.Fail("prompt_logprobs", "'prompt_logprobs' cannot be streamed");
}

/// The field that a message of Validate is about.
std::string ParamOf(const std::string& message) {
  for (const char* name : {"stop_token_ids", "logit_bias", "prompt_logprobs", "temperature",
                           "top_k", "top_p", "min_p", "repetition_penalty", "frequency_penalty",
                           "presence_penalty", "min_tokens", "max_tokens", "logprobs"})
    if (message.find(name) != std::string::npos) return name;
  return {};
}

}  // namespace

void ReadModel(JsonFields& fields, const ServedModel& model) {
  std::string name = model.options.model;
  fields.String("model", name);
  if (fields.error() || name == model.options.model) return;
  fields.Fail(ModelNotFound(name, model.options.model));
}

void ReadTokenIds(JsonFields& fields, const std::string& param, const Json& array,
                  const ServedModel& model, std::vector<TokenId>& tokens) {
  const int64_t vocabulary = model.tokenizer.vocabulary_size();
  tokens.reserve(tokens.size() + array.size());
  for (const Json& item : array) {
    const std::optional<int64_t> token = ToInteger(item);
    if (!token) return fields.FailType(param, "an array of token ids", item);
    if (*token < 0 || *token >= vocabulary) {
      return fields.Fail(param, "'" + param + "' has the token id " + std::to_string(*token) +
                                    "; the vocabulary ends at " + std::to_string(vocabulary - 1));
    }
    tokens.push_back(static_cast<TokenId>(*token));
  }
}

void ReadGenerationFields(JsonFields& fields, const ServedModel& model, CompletionPlan& plan) {
  plan.sampling = model.options.sampling_defaults;
  plan.sampling.logprobs = -1;
  ReadModel(fields, model);
  RefuseUnsupported(fields, plan.chat);
  ReadStream(fields, plan);
  fields.Int("n", plan.choices, 1, model.options.limits.choices_per_prompt);
  plan.candidates = plan.choices;
  // Under the names that others gave them, too.
  ReadLabel(fields, "cache_salt", plan.cache_salt);
  fields.Int("priority", plan.priority);
  ReadBatonFields(fields, plan);
  ReadSampling(fields, plan.sampling);
  ReadPromptLogprobs(fields, plan);
  ReadStops(fields, model.options.limits, plan);
  ReadConstraint(fields, model, plan);
  fields.Bool("skip_special_tokens", plan.skip_special);
  fields.Bool("include_stop_str_in_output", plan.include_stop);
  fields.Bool("return_token_ids", plan.return_token_ids);
  for (const char* name : kIgnored) fields.Ignore(name);
}

void Tokenize(JsonFields& fields, const ServedModel& model, const text::EncodeOptions& options,
              const PromptSource& source, PlannedPrompt& prompt) {
  if (fields.error()) return;
  // A normalizer may shrink a text before it is tokenized, by a factor of three at the worst.
  const size_t least_tokens = prompt.text.size() / (3 * model.longest_token_bytes);
  if (least_tokens >= static_cast<size_t>(model.options.context_tokens))
    return fields.Fail(source.param,
                       "this model's context is " + std::to_string(model.options.context_tokens) +
                           " tokens, but the prompt has at least " + std::to_string(least_tokens),
                       kContextExceeded);
  prompt.tokens = model.tokenizer.Encode(prompt.text, options);
}

void FitToContext(JsonFields& fields, const ServedModel& model, const PromptSource& source,
                  PlannedPrompt& prompt) {
  if (fields.error()) return;
  if (prompt.tokens.empty())
    return fields.Fail(source.param, "the prompt is empty: it needs at least one token");
  const int64_t context = model.options.context_tokens;
  const int64_t tokens = static_cast<int64_t>(prompt.tokens.size());
  const int64_t asked = source.max_tokens.value_or(0);
  if (tokens >= context || tokens + asked > context) {
    std::string message = "this model's context is " + std::to_string(context) +
                          " tokens, but the prompt has " + std::to_string(tokens);
    message += asked > 0 ? " and " + std::to_string(asked) + " more were asked for"
                         : ", which leaves no room for an output";
    return fields.Fail(source.param, std::move(message), kContextExceeded);
  }
  const int64_t room = context - tokens;
  prompt.max_tokens = source.max_tokens.value_or(
      static_cast<int32_t>(std::min<int64_t>(source.usual_max_tokens, room)));
}

std::optional<ApiError> FinishPlan(JsonFields& fields, const ServedModel& model,
                                   CompletionPlan& plan) {
  if (fields.error()) return fields.error();
  for (const PlannedPrompt& prompt : plan.prompts) {
    plan.sampling.max_tokens = prompt.max_tokens;
    const Status status = Validate(plan.sampling, model.tokenizer.vocabulary_size());
    if (!status.ok()) return ApiError{400, status.message(), ParamOf(status.message())};
  }
  CountUnknown(fields, model);
  return std::nullopt;
}

void CountUnknown(const JsonFields& fields, const ServedModel& model) {
  for (const std::string& name : fields.Unknown()) {
    BATON_LOG(Debug) << "ignored the unknown request field '" << name << "'";
    model.unknown_fields.Increment();
  }
}

}  // namespace baton::api
