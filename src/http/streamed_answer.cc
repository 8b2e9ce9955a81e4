#include <optional>
#include <utility>

#include "completion_answer.h"
#include "error_response.h"
#include "sse.h"

namespace baton::http {

namespace {

/// Answers with server-sent events as the tokens come.
class StreamedAnswer final : public EventAnswer {
 public:
  StreamedAnswer(api::CallSetup setup, api::CompletionPlan call_plan, const AnswerSetup& answer)
      : EventAnswer(std::move(setup), std::move(call_plan), answer),
        opened_(static_cast<size_t>(candidates()), false) {}

 protected:
  void OnDelta(int index, api::ChoiceDelta delta) override {
    BeginStream({});
    if (plan().chat && !opened_[static_cast<size_t>(index)]) Open(index);
    const FinishReason finish = delta.finish;
    if (plan().chat && finish != FinishReason::kNone && delta.says_something()) {
      // The chunk that ends a chat's choice says nothing else.
      const bool stopped_to_call = delta.stopped_to_call;
      delta.finish = FinishReason::kNone;
      WriteChunk(index, std::exchange(delta, {}));
      delta.finish = finish;
      delta.stopped_to_call = stopped_to_call;
    }
    WriteChunk(index, delta);
  }

  void OnFinished() override {
    LeaveRoom();
    const std::optional<api::Timings> timings = TakeTimings();
    if (plan().include_usage || timings) {
      std::optional<api::Usage> usage;
      if (plan().include_usage) usage = CountUsage();
      Write([&](std::string& out) { writer().AppendLastChunk(out, usage, timings); });
    }
    WriteRaw(kSseDone);
    exchange().EndStream(true);
  }

  void OnFailed(const api::ApiError& error) override {
    LeaveRoom();
    if (!begun()) return exchange().Send(ErrorResponse(error));
    Write([&](std::string& out) { out += api::ErrorJson(error); });
    exchange().EndStream(false);
  }

 private:
  /// What comes before the first text of a chat's choice.
  void Open(int index) {
    opened_[static_cast<size_t>(index)] = true;
    Write([&](std::string& out) { writer().AppendRoleChunk(out, index); });
  }

  void WriteChunk(int index, const api::ChoiceDelta& delta) {
    std::optional<api::Usage> usage;
    if (plan().continuous_usage) usage = CountUsage();
    Write([&](std::string& out) { writer().AppendChunk(out, index, delta, usage); });
  }

  template <typename Append>
  void Write(Append append) {
    event_ = kSseData;
    append(event_);
    event_ += kSseEnd;
    WriteRaw(event_);
  }

  /// Per choice: its first chunk has been written.
  std::vector<bool> opened_;
  /// Kept for its memory.
  std::string event_;
};

}  // namespace

std::shared_ptr<CompletionAnswer> MakeStreamedAnswer(api::CallSetup setup, api::CompletionPlan plan,
                                                     const AnswerSetup& answer) {
  return std::make_shared<StreamedAnswer>(std::move(setup), std::move(plan), answer);
}

}  // namespace baton::http
