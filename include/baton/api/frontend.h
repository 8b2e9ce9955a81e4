#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "baton/access/gatekeeper.h"
#include "baton/api/api_options.h"
#include "baton/api/completion_backend.h"
#include "baton/api/completion_plan.h"
#include "baton/api/id_source.h"
#include "baton/api/running_calls.h"
#include "baton/base/clock.h"
#include "baton/base/status.h"
#include "baton/telemetry/metrics.h"
#include "baton/text/chat_template.h"
#include "baton/text/tokenizer.h"

namespace baton::api {

/// What every server of the API shares, whatever carries its requests: the model's text side, the
/// backend, and the count of completions under way. *Threads*: thread-safe.
class Frontend {
 public:
  /// REQUIRES: all references outlive this; `chat_template` too. Without one, chat requests are
  /// refused; without `gatekeeper`, nobody is asked for a key. *Fails with* InvalidArgument without
  /// a context length, or for an unknown parser.
  static Result<std::unique_ptr<Frontend>> Create(ApiOptions options, CompletionBackend& backend,
                                                  const text::Tokenizer& tokenizer,
                                                  const text::ChatTemplate* chat_template,
                                                  telemetry::MetricRegistry& metrics,
                                                  const Clock& clock,
                                                  access::Gatekeeper* gatekeeper = nullptr);

  /// Who holds `key`, or why nobody may ask with it; an empty one is a key that was not given.
  std::optional<ApiError> Identify(std::string_view key, access::Caller& caller);

  const ApiOptions& options() const { return options_; }
  const ServedModel& model() const { return model_; }
  CompletionBackend& backend() { return backend_; }
  telemetry::MetricRegistry& metrics() { return metrics_; }
  RunningCalls& running() { return running_; }
  IdSource& ids() { return ids_; }

 private:
  Frontend(ApiOptions options, CompletionBackend& backend, const text::Tokenizer& tokenizer,
           const text::ChatTemplate* chat_template, const ChatFormat& format,
           telemetry::MetricRegistry& metrics, const Clock& clock, access::Gatekeeper* gatekeeper);

  const ApiOptions options_;
  grammar::GrammarCache grammars_;
  const ServedModel model_;
  CompletionBackend& backend_;
  telemetry::MetricRegistry& metrics_;
  access::Gatekeeper* const gatekeeper_;
  RunningCalls running_;
  IdSource ids_;
};

}  // namespace baton::api
