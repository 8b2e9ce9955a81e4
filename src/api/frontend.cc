#include "baton/api/frontend.h"

#include <algorithm>
#include <utility>

#include "baton/base/random.h"

namespace baton::api {

namespace {

size_t LongestTokenBytes(const text::Tokenizer& tokenizer) {
  size_t longest = 1;
  for (TokenId token = 0; token < tokenizer.vocabulary_size(); ++token)
    longest = std::max(longest, tokenizer.TokenBytes(token).size());
  return longest;
}

}  // namespace

Result<std::unique_ptr<Frontend>> Frontend::Create(ApiOptions options, CompletionBackend& backend,
                                                   const text::Tokenizer& tokenizer,
                                                   const text::ChatTemplate* chat_template,
                                                   telemetry::MetricRegistry& metrics,
                                                   const Clock& clock,
                                                   access::Gatekeeper* gatekeeper) {
  if (options.context_tokens < 2)
    return InvalidArgument("the API needs the model's context length");
  BATON_ASSIGN_OR_RETURN(
      const ChatFormat format,
      FindChatFormat(options.tool_parser, options.reasoning_parser, chat_template));
  return std::unique_ptr<Frontend>(new Frontend(std::move(options), backend, tokenizer,
                                                chat_template, format, metrics, clock, gatekeeper));
}

Frontend::Frontend(ApiOptions options, CompletionBackend& backend, const text::Tokenizer& tokenizer,
                   const text::ChatTemplate* chat_template, const ChatFormat& format,
                   telemetry::MetricRegistry& metrics, const Clock& clock,
                   access::Gatekeeper* gatekeeper)
    : options_(std::move(options)),
      model_{options_,
             tokenizer,
             chat_template,
             clock,
             LongestTokenBytes(tokenizer),
             metrics.AddCounter("baton_api_unknown_fields_total",
                                "Fields of requests that Baton does not know and ignored"),
             grammars_,
             format,
             &metrics.AddCounter(
                 "baton_tool_calls_broken_total",
                 "Calls of tools in outputs that could not be read as calls, or broke off.")},
      backend_(backend),
      metrics_(metrics),
      gatekeeper_(gatekeeper),
      running_(options_.limits.running_requests, clock),
      ids_(RandomSeed()) {}

std::optional<ApiError> Frontend::Identify(std::string_view key, access::Caller& caller) {
  if (gatekeeper_ == nullptr) return std::nullopt;
  if (key.empty()) {
    return ApiError{401,
                    "this server asks for an API key: send 'Authorization: Bearer KEY'",
                    {},
                    "invalid_api_key"};
  }
  std::optional<access::Caller> found = gatekeeper_->Identify(key);
  if (!found) return ApiError{401, "the API key is not known here", {}, "invalid_api_key"};
  caller = *std::move(found);
  return std::nullopt;
}

}  // namespace baton::api
