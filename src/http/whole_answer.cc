#include <utility>

#include "completion_answer.h"
#include "error_response.h"

namespace baton::http {

namespace {

/// Gathers the outputs and answers with one body.
class WholeAnswer final : public CompletionAnswer {
 public:
  WholeAnswer(api::CallSetup setup, api::CompletionPlan call_plan, const AnswerSetup& answer)
      : CompletionAnswer(std::move(setup), std::move(call_plan), answer) {
    outputs_.resize(static_cast<size_t>(candidates()));
  }

 protected:
  void OnRoute(const std::string& route) override { route_ = route; }

  void OnDelta(int index, api::ChoiceDelta delta) override {
    outputs_[static_cast<size_t>(index)].Append(std::move(delta));
  }

  void OnFinished() override {
    LeaveRoom();
    HttpResponse response;
    if (!route_.empty()) response.headers.push_back({"x-baton-route", route_});
    std::vector<api::ChoiceDelta> best;
    for (const int i : Best()) best.push_back(std::move(outputs_[static_cast<size_t>(i)]));
    response.body = writer().Whole(best, CountUsage(), TakeTimings());
    exchange().Send(std::move(response));
  }

  void OnFailed(const api::ApiError& error) override {
    LeaveRoom();
    exchange().Send(ErrorResponse(error));
  }

 private:
  std::vector<api::ChoiceDelta> outputs_;
  std::string route_;
};

}  // namespace

std::shared_ptr<CompletionAnswer> MakeWholeAnswer(api::CallSetup setup, api::CompletionPlan plan,
                                                  const AnswerSetup& answer) {
  return std::make_shared<WholeAnswer>(std::move(setup), std::move(plan), answer);
}

}  // namespace baton::http
