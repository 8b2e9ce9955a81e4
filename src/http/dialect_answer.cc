#include <utility>

#include "completion_answer.h"
#include "error_response.h"
#include "sse.h"

namespace baton::http {

namespace {

std::vector<HttpHeader> HeadersOf(const DialectSetup& dialect) {
  const std::string_view header = dialect.dialect.request_id_header();
  if (header.empty()) return {};
  return {{std::string(header), dialect.request_id}};
}

/// Gathers the output and answers with one body.
class WholeDialectAnswer final : public CompletionAnswer {
 public:
  WholeDialectAnswer(api::CallSetup setup, api::CompletionPlan plan, const AnswerSetup& answer,
                     DialectSetup dialect)
      : CompletionAnswer(std::move(setup), std::move(plan), answer), dialect_(std::move(dialect)) {
    dialect_.writer->Begin(unheard_);
  }

 protected:
  void OnRoute(const std::string& route) override { route_ = route; }

  void OnDelta(int, api::ChoiceDelta delta) override {
    unheard_.clear();
    dialect_.writer->Push(delta, CountUsage(), unheard_);
  }

  void OnFinished() override {
    LeaveRoom();
    dialect_.writer->Finish({CountUsage(), MatchedStop(0)}, unheard_);
    HttpResponse response;
    response.headers = HeadersOf(dialect_);
    if (!route_.empty()) response.headers.push_back({"x-baton-route", route_});
    response.body = dialect_.writer->Whole();
    exchange().Send(std::move(response));
  }

  void OnFailed(const api::ApiError& error) override {
    LeaveRoom();
    exchange().Send(ErrorResponse(error, dialect_.dialect, dialect_.request_id));
  }

 private:
  DialectSetup dialect_;
  /// What a stream would have said.
  api::AnswerEvents unheard_;
  std::string route_;
};

class StreamedDialectAnswer final : public EventAnswer {
 public:
  StreamedDialectAnswer(api::CallSetup setup, api::CompletionPlan plan, const AnswerSetup& answer,
                        DialectSetup dialect)
      : EventAnswer(std::move(setup), std::move(plan), answer), dialect_(std::move(dialect)) {}

 protected:
  void OnBegun() override {
    dialect_.writer->Begin(events_);
    WriteEvents();
  }

  void OnDelta(int, api::ChoiceDelta delta) override {
    BeginStream({});
    dialect_.writer->Push(delta, CountUsage(), events_);
    WriteEvents();
  }

  void OnFinished() override {
    LeaveRoom();
    dialect_.writer->Finish({CountUsage(), MatchedStop(0)}, events_);
    WriteEvents();
    exchange().EndStream(true);
  }

  void OnFailed(const api::ApiError& error) override {
    LeaveRoom();
    if (!begun())
      return exchange().Send(ErrorResponse(error, dialect_.dialect, dialect_.request_id));
    dialect_.writer->Fail(error, events_);
    WriteEvents();
    exchange().EndStream(false);
  }

  std::vector<HttpHeader> Headers() const override { return HeadersOf(dialect_); }

  std::string SignOfLife() const override {
    const std::optional<api::AnswerEvent> event = dialect_.writer->SignOfLife();
    return event ? Framed(*event) : EventAnswer::SignOfLife();
  }

 private:
  static std::string Framed(const api::AnswerEvent& event) {
    std::string framed(kSseName);
    framed.append(event.name).append("\n").append(kSseData).append(event.data).append(kSseEnd);
    return framed;
  }

  void WriteEvents() {
    for (const api::AnswerEvent& event : events_) WriteRaw(Framed(event));
    events_.clear();
  }

  DialectSetup dialect_;
  /// Kept for its memory.
  api::AnswerEvents events_;
};

}  // namespace

std::shared_ptr<CompletionAnswer> MakeDialectAnswer(api::CallSetup setup, api::CompletionPlan plan,
                                                    const AnswerSetup& answer,
                                                    DialectSetup dialect) {
  if (plan.stream)
    return std::make_shared<StreamedDialectAnswer>(std::move(setup), std::move(plan), answer,
                                                   std::move(dialect));
  return std::make_shared<WholeDialectAnswer>(std::move(setup), std::move(plan), answer,
                                              std::move(dialect));
}

}  // namespace baton::http
