#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "baton/api/completion_call.h"
#include "baton/text/tokenizer.h"
#include "exchange.h"
#include "response_messages.h"

namespace baton::grpc {

/// What an answer needs beside its call. REQUIRES: both outlive it.
template <typename Response>
struct AnswerSetup {
  Exchange<Response>& exchange;
  const text::Tokenizer& tokenizer;
};

/// A completion that answers with messages.
template <typename Response>
class MessageAnswer : public api::CompletionCall {
 public:
  MessageAnswer(api::CallSetup setup, api::CompletionPlan call_plan,
                const AnswerSetup<Response>& answer)
      : MessageAnswer(IdentityOf(setup, call_plan), std::move(setup), std::move(call_plan),
                      answer) {}

 protected:
  /// The first route: what was added cannot be changed.
  void OnRoute(const std::string& route) override {
    if (!std::exchange(routed_, true)) exchange_.AddMetadata("x-baton-route", route);
  }
  void OnFailed(const api::ApiError& error) override {
    LeaveRoom();
    exchange_.Fail(error);
  }

  Exchange<Response>& exchange() { return exchange_; }
  const MessageWriter& messages() const { return messages_; }

 private:
  MessageAnswer(api::ResponseIdentity identity, api::CallSetup&& setup,
                api::CompletionPlan&& call_plan, const AnswerSetup<Response>& answer)
      : CompletionCall(std::move(setup), std::move(call_plan)),
        exchange_(answer.exchange),
        messages_(std::move(identity), plan().show_logprobs, answer.tokenizer) {}

  static api::ResponseIdentity IdentityOf(const api::CallSetup& setup,
                                          const api::CompletionPlan& plan) {
    const api::ApiOptions& options = setup.model.options;
    return {.chat = plan.chat,
            .id = setup.id,
            .created_unix_s = setup.model.clock.UnixSeconds(),
            .model = options.model,
            .system_fingerprint = options.system_fingerprint};
  }

  Exchange<Response>& exchange_;
  const MessageWriter messages_;
  bool routed_ = false;
};

/// Gathers the outputs and answers with one message.
template <typename Response>
class WholeAnswer final : public MessageAnswer<Response> {
 public:
  WholeAnswer(api::CallSetup setup, api::CompletionPlan plan, const AnswerSetup<Response>& answer)
      : MessageAnswer<Response>(std::move(setup), std::move(plan), answer),
        outputs_(static_cast<size_t>(this->candidates())) {}

 private:
  void OnDelta(int index, api::ChoiceDelta delta) override {
    outputs_[static_cast<size_t>(index)].Append(std::move(delta));
  }

  void OnFinished() override {
    this->LeaveRoom();
    auto response = this->messages().template Begin<Response>();
    int index = 0;
    for (const int i : this->Best())
      this->messages().Add(index++, outputs_[static_cast<size_t>(i)], response);
    *response.mutable_usage() = ToProto(this->CountUsage());
    if (const auto timings = this->TakeTimings()) *response.mutable_baton() = ToProto(*timings);
    this->exchange().Write(std::move(response));
    this->exchange().End(::grpc::Status::OK);
  }

  std::vector<api::ChoiceDelta> outputs_;
};

/// Answers with a message for each piece of text, as it comes.
template <typename Response>
class StreamedAnswer final : public MessageAnswer<Response> {
 public:
  StreamedAnswer(api::CallSetup setup, api::CompletionPlan plan,
                 const AnswerSetup<Response>& answer)
      : MessageAnswer<Response>(std::move(setup), std::move(plan), answer),
        opened_(static_cast<size_t>(this->candidates()), false) {}

 private:
  void OnDelta(int index, api::ChoiceDelta delta) override {
    if constexpr (std::is_same_v<Response, v1::ChatChunk>) {
      if (!opened_[static_cast<size_t>(index)]) {
        opened_[static_cast<size_t>(index)] = true;
        auto role = this->messages().template Begin<Response>();
        this->messages().AddRole(index, role);
        this->exchange().Write(std::move(role));
      }
    }
    auto chunk = this->messages().template Begin<Response>();
    this->messages().Add(index, delta, chunk);
    if (this->plan().continuous_usage) *chunk.mutable_usage() = ToProto(this->CountUsage());
    this->exchange().Write(std::move(chunk));
  }

  void OnFinished() override {
    this->LeaveRoom();
    const auto timings = this->TakeTimings();
    if (this->plan().include_usage || timings) {
      auto last = this->messages().template Begin<Response>();
      if (this->plan().include_usage) *last.mutable_usage() = ToProto(this->CountUsage());
      if (timings) *last.mutable_baton() = ToProto(*timings);
      this->exchange().Write(std::move(last));
    }
    this->exchange().End(::grpc::Status::OK);
  }

  /// Per choice of a chat: its first chunk has been written.
  std::vector<bool> opened_;
};

}  // namespace baton::grpc
