#include "baton/request/sampling_params.h"

#include <sstream>

namespace baton {
namespace {

template <typename T>
Status OutOfRange(const char* field, T value, const char* range) {
  std::ostringstream message;
  message << field << " must be " << range << ", got " << value;
  return InvalidArgument(message.str());
}

Status OutsideVocabulary(const char* field, TokenId token, int32_t vocabulary_size) {
  const std::string range = "in [0, " + std::to_string(vocabulary_size) + ")";
  return OutOfRange(field, token, range.c_str());
}

Status ValidateLogitBias(const std::vector<LogitBias>& biases, int32_t vocabulary_size) {
  if (biases.size() > SamplingParams::kMaxLogitBiases) {
    return OutOfRange("the number of tokens in logit_bias", biases.size(), "at most 1024");
  }
  TokenId last = -1;
  for (const auto& [token, bias] : biases) {
    if (token < 0 || token >= vocabulary_size) {
      return OutsideVocabulary("every token of logit_bias", token, vocabulary_size);
    }
    if (token <= last) {
      return InvalidArgument("logit_bias must name tokens in ascending order, each once; got " +
                             std::to_string(token) + " behind " + std::to_string(last));
    }
    last = token;
    if (!(bias >= -SamplingParams::kMaxLogitBias && bias <= SamplingParams::kMaxLogitBias)) {
      return OutOfRange("every bias of logit_bias", bias, "in [-100, 100]");
    }
  }
  return OkStatus();
}

}  // namespace

// Written so that NaN fails every comparison and is refused.
Status Validate(const SamplingParams& params, int32_t vocabulary_size) {
  if (!(params.temperature >= 0 && params.temperature <= SamplingParams::kMaxTemperature)) {
    return OutOfRange("temperature", params.temperature, "in [0, 100]");
  }
  if (params.top_k < 0) return OutOfRange("top_k", params.top_k, "at least 0 (0 keeps all)");
  if (!(params.top_p > 0 && params.top_p <= 1)) {
    return OutOfRange("top_p", params.top_p, "in (0, 1]");
  }
  if (!(params.min_p >= 0 && params.min_p <= 1)) {
    return OutOfRange("min_p", params.min_p, "in [0, 1]");
  }
  if (!(params.repetition_penalty > 0 &&
        params.repetition_penalty <= SamplingParams::kMaxRepetitionPenalty)) {
    return OutOfRange("repetition_penalty", params.repetition_penalty, "in (0, 100]");
  }
  if (!(params.frequency_penalty >= -2 && params.frequency_penalty <= 2)) {
    return OutOfRange("frequency_penalty", params.frequency_penalty, "in [-2, 2]");
  }
  if (!(params.presence_penalty >= -2 && params.presence_penalty <= 2)) {
    return OutOfRange("presence_penalty", params.presence_penalty, "in [-2, 2]");
  }
  // 0 is for those who want to know about the prompt only.
  if (params.max_tokens < (params.prompt_logprobs >= 0 ? 0 : 1)) {
    return OutOfRange("max_tokens", params.max_tokens, "at least 1");
  }
  if (params.min_tokens < 0 || params.min_tokens > params.max_tokens) {
    return OutOfRange("min_tokens", params.min_tokens, "between 0 and max_tokens");
  }
  if (params.stop_token_ids.size() > SamplingParams::kMaxStopTokenIds) {
    return OutOfRange("the number of stop_token_ids", params.stop_token_ids.size(), "at most 64");
  }
  for (const TokenId token : params.stop_token_ids) {
    if (token < 0 || token >= vocabulary_size) {
      return OutsideVocabulary("every one of stop_token_ids", token, vocabulary_size);
    }
  }
  BATON_RETURN_IF_ERROR(ValidateLogitBias(params.logit_bias, vocabulary_size));
  if (params.logprobs < -1 || params.logprobs > SamplingParams::kMaxTopLogprobs) {
    return OutOfRange("logprobs", params.logprobs, "between -1 (none) and 20");
  }
  if (params.prompt_logprobs < -1 || params.prompt_logprobs > SamplingParams::kMaxTopLogprobs) {
    return OutOfRange("prompt_logprobs", params.prompt_logprobs, "between -1 (none) and 20");
  }
  return OkStatus();
}

}  // namespace baton
