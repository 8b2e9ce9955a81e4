#pragma once

#include <memory>
#include <utility>

#include "baton/api/completion_call.h"
#include "baton/http/http_options.h"
#include "exchange.h"

namespace baton::http {

/// What an answer needs of its connection. REQUIRES: both outlive it.
struct AnswerSetup {
  Exchange& exchange;
  const HttpOptions& options;
};

/// A completion that answers on its connection.
class CompletionAnswer : public api::CompletionCall, public ActiveCall {
 public:
  CompletionAnswer(api::CallSetup setup, api::CompletionPlan plan, const AnswerSetup& answer)
      : CompletionCall(std::move(setup), std::move(plan)),
        exchange_(answer.exchange),
        options_(answer.options) {}

 protected:
  Exchange& exchange() { return exchange_; }
  const HttpOptions& options() const { return options_; }

 private:
  Exchange& exchange_;
  const HttpOptions& options_;
};

std::shared_ptr<CompletionAnswer> MakeWholeAnswer(api::CallSetup setup, api::CompletionPlan plan,
                                                  const AnswerSetup& answer);
std::shared_ptr<CompletionAnswer> MakeStreamedAnswer(api::CallSetup setup, api::CompletionPlan plan,
                                                     const AnswerSetup& answer);

}  // namespace baton::http
