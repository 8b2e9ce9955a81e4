#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "baton/api/completion_call.h"
#include "baton/api/dialect.h"
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

/// A completion that answers with server-sent events as the tokens come.
class EventAnswer : public CompletionAnswer {
 public:
  using CompletionAnswer::CompletionAnswer;

 protected:
  /// The header names the route, so it waits for it, but not for long: proxies want a sign of life.
  void OnStart() override;
  void OnRoute(const std::string& route) override { BeginStream(route); }
  /// Without effect when the stream has begun.
  void BeginStream(const std::string& route);
  /// Just after the header.
  virtual void OnBegun() {}
  /// More headers of the answer.
  virtual std::vector<HttpHeader> Headers() const { return {}; }
  /// What keeps a stream alive where no token comes.
  virtual std::string SignOfLife() const;
  bool begun() const { return begun_; }
  void WriteRaw(std::string_view event);

 private:
  void ArmKeepAlive();

  bool begun_ = false;
  bool wrote_ = false;
};

std::shared_ptr<CompletionAnswer> MakeWholeAnswer(api::CallSetup setup, api::CompletionPlan plan,
                                                  const AnswerSetup& answer);
std::shared_ptr<CompletionAnswer> MakeStreamedAnswer(api::CallSetup setup, api::CompletionPlan plan,
                                                     const AnswerSetup& answer);

/// A completion in a dialect. REQUIRES: outlives the answer.
struct DialectSetup {
  const api::Dialect& dialect;
  std::unique_ptr<api::AnswerWriter> writer;
  std::string request_id;
};
std::shared_ptr<CompletionAnswer> MakeDialectAnswer(api::CallSetup setup, api::CompletionPlan plan,
                                                    const AnswerSetup& answer,
                                                    DialectSetup dialect);

}  // namespace baton::http
