#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <grpcpp/grpcpp.h>

#include "baton/api/completion_call.h"
#include "baton/api/error.h"
#include "baton/grpc/grpc_options.h"
#include "baton/telemetry/tracer.h"
#include "call_threads.h"

namespace baton::grpc {

/// The status that fits the error's; the error's JSON goes into the trailing metadata.
::grpc::Status ToGrpc(const api::ApiError& error, ::grpc::CallbackServerContext& context);

/// What the client sent under `name`; empty without it.
std::string Metadata(const ::grpc::CallbackServerContext& context, const char* name);
/// The key of "authorization: Bearer KEY"; empty without one.
std::string KeyIn(const ::grpc::CallbackServerContext& context);

/// Where the client says that the call is in a trace; not valid without it.
TraceContext ContextIn(const ::grpc::CallbackServerContext& context);
/// How a call ended, as its span shows it.
void DescribeEnd(const ::grpc::Status& status, telemetry::OpenSpan& span);

/// A call being answered: one Write, or for a stream any number of them, then End.
/// *Ownership*: keeps itself alive until gRPC is done with it.
/// *Threads*: lives on its call's thread; gRPC's threads only post to it.
template <typename Response>
class Exchange : public std::enable_shared_from_this<Exchange<Response>> {
 public:
  Exchange(::grpc::CallbackServerContext& context, std::shared_ptr<CallThread> thread)
      : context_(context), thread_(std::move(thread)) {}
  virtual ~Exchange() = default;

  virtual void Write(Response response) = 0;
  virtual void End(const ::grpc::Status& status) = 0;

  void Fail(const api::ApiError& error) {
    if (!ended_) End(ToGrpc(error, context_));
  }
  /// Before the first Write.
  void AddMetadata(const std::string& name, const std::string& value) {
    if (!ended_) context_.AddInitialMetadata(name, value);
  }
  /// Before the first Write, which tells the client.
  void SetRequestId(const std::string& id) {
    request_id_ = id;
    AddMetadata("x-request-id", id);
  }
  const std::string& request_id() const { return request_id_; }
  const ::grpc::CallbackServerContext& context() const { return context_; }
  std::shared_ptr<api::StrandLink> link() const { return thread_; }
  /// Keeps `span`, if any, until the answer is sent.
  void AttachSpan(std::unique_ptr<telemetry::OpenSpan> span) { span_ = std::move(span); }
  /// Keeps `call` until the answer is sent or the client is gone.
  void Attach(std::shared_ptr<api::CompletionCall> call) { call_ = std::move(call); }

  /// Runs `run` on the call's thread, unless it is over by then.
  void Post(std::function<void()> run) {
    thread_->Post([weak = this->weak_from_this(), run = std::move(run)] {
      if (const auto self = weak.lock()) run();
    });
  }

 protected:
  void KeepAlive() { self_ = this->shared_from_this(); }
  void NoteEnd(const ::grpc::Status& status) {
    if (span_) DescribeEnd(status, *span_);
  }
  /// The client is gone, or its deadline has passed: nobody waits for the answer.
  void Cancelled() {
    Post([this] {
      call_.reset();
      End(::grpc::Status::CANCELLED);
    });
  }
  /// gRPC is done with the call.
  void Done() {
    Post([this] {
      ended_ = true;
      call_.reset();
      span_.reset();
      self_.reset();
    });
  }

  ::grpc::CallbackServerContext& context_;
  bool ended_ = false;

 private:
  const std::shared_ptr<CallThread> thread_;
  std::string request_id_;
  std::shared_ptr<api::CompletionCall> call_;
  std::unique_ptr<telemetry::OpenSpan> span_;
  std::shared_ptr<Exchange> self_;
};

template <typename Response>
class UnaryExchange final : public ::grpc::ServerUnaryReactor, public Exchange<Response> {
 public:
  static std::shared_ptr<UnaryExchange> Make(::grpc::CallbackServerContext& context,
                                             Response& response,
                                             std::shared_ptr<CallThread> thread) {
    std::shared_ptr<UnaryExchange> exchange(
        new UnaryExchange(context, response, std::move(thread)));
    exchange->KeepAlive();
    return exchange;
  }

  void Write(Response response) override {
    if (!this->ended_) response_ = std::move(response);
  }
  void End(const ::grpc::Status& status) override {
    if (std::exchange(this->ended_, true)) return;
    this->NoteEnd(status);
    Finish(status);
  }

 private:
  UnaryExchange(::grpc::CallbackServerContext& context, Response& response,
                std::shared_ptr<CallThread> thread)
      : Exchange<Response>(context, std::move(thread)), response_(response) {}

  void OnCancel() override { this->Cancelled(); }
  void OnDone() override { this->Done(); }

  Response& response_;
};

template <typename Response>
class StreamExchange final : public ::grpc::ServerWriteReactor<Response>,
                             public Exchange<Response> {
 public:
  static std::shared_ptr<StreamExchange> Make(::grpc::CallbackServerContext& context,
                                              const GrpcOptions& options,
                                              std::shared_ptr<CallThread> thread) {
    std::shared_ptr<StreamExchange> exchange(
        new StreamExchange(context, options, std::move(thread)));
    exchange->KeepAlive();
    return exchange;
  }

  void Write(Response response) override {
    if (this->ended_) return;
    backlog_bytes_ += response.ByteSizeLong();
    queue_.push_back(std::move(response));
    if (backlog_bytes_ > options_.write_backlog_bytes && queue_.size() > 1) return GiveUp();
    if (!writing_) Continue();
  }
  void End(const ::grpc::Status& status) override {
    if (std::exchange(this->ended_, true)) return;
    this->NoteEnd(status);
    status_ = status;
    if (!writing_) Continue();
  }

 private:
  StreamExchange(::grpc::CallbackServerContext& context, const GrpcOptions& options,
                 std::shared_ptr<CallThread> thread)
      : Exchange<Response>(context, std::move(thread)), options_(options) {}

  void Continue() {
    if (!queue_.empty()) {
      writing_ = true;
      this->StartWrite(&queue_.front());
    } else if (this->ended_) {
      this->Finish(status_);
    }
  }
  /// Later, not from here: the caller may be the call that this ends.
  void GiveUp() {
    this->Post([this] {
      // What is under way stays: gRPC reads it.
      while (queue_.size() > 1) queue_.pop_back();
      this->Attach(nullptr);
      this->Fail({429, "the client reads the stream too slowly", {}, "slow_client"});
    });
  }

  void OnWriteDone(bool ok) override {
    this->Post([this, ok] {
      writing_ = false;
      backlog_bytes_ -= queue_.front().ByteSizeLong();
      queue_.pop_front();
      if (!ok) queue_.clear();
      Continue();
    });
  }
  void OnCancel() override { this->Cancelled(); }
  void OnDone() override { this->Done(); }

  const GrpcOptions& options_;
  std::deque<Response> queue_;
  size_t backlog_bytes_ = 0;
  bool writing_ = false;
  /// Once ended_.
  ::grpc::Status status_;
};

}  // namespace baton::grpc
