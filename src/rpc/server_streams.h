#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include "baton/rpc/server.h"
#include "baton/v1/worker.pb.h"

namespace baton::rpc {

/// Sends the events of one Generate call in order, each at once; tokens that come while an earlier
/// event is under way go together in the next one, since an event costs its reader far more than a
/// token. *Ownership*: keeps itself alive until gRPC is done with it; the worker may hold it
/// longer. *Threads*: thread-safe; the mutex orders senders on the engine thread with gRPC's
/// callbacks, which a mailbox cannot, as neither side may wait.
class GenerateReactor final : public grpc::ServerWriteReactor<v1::GenerateEvent>,
                              public GenerateStream {
 public:
  /// `several_tokens`: the caller takes more than one in an event.
  static std::shared_ptr<GenerateReactor> Make(WorkerHandler& handler, bool several_tokens);

  bool SendRoute(const std::string& route) override;
  bool SendToken(const TokenOutput& output) override;
  bool SendReport(const GenerateReport& report) override;
  void Finish(const Status& status) override;

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  GenerateReactor(WorkerHandler& handler, bool several_tokens)
      : handler_(handler), several_tokens_(several_tokens) {}
  bool Send(v1::GenerateEvent event);
  bool takes_more_locked() const;
  /// Where the next token goes.
  v1::Token* NextTokenLocked();
  bool SendPromptLogprobs(std::span<const PromptLogprob> rest);
  /// Starts the next write, or the end when nothing is left. REQUIRES: nothing is under way.
  void ContinueLocked();

  WorkerHandler& handler_;
  const bool several_tokens_;
  std::mutex mutex_;
  /// The first one is under way while writing_, and there is none while not.
  std::deque<v1::GenerateEvent> queue_;
  /// In queue_, each token and each other event.
  size_t queued_ = 0;
  bool writing_ = false;
  bool closed_ = false;
  bool finish_started_ = false;
  std::optional<Status> finish_;
  std::shared_ptr<GenerateReactor> self_;
};

/// Sends the worker's status, waits for the interval, and so on until the caller goes. One write or
/// one alarm is under way at any time; whichever completes after a cancellation ends the call.
class WatchReactor final : public grpc::ServerWriteReactor<v1::WorkerStatus> {
 public:
  WatchReactor(WorkerHandler& handler, Duration interval);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { delete this; }

 private:
  void SendStatus();
  void AwaitInterval();

  WorkerHandler& handler_;
  const Duration interval_;
  kv::PrefixCursor prefixes_;
  v1::WorkerStatus status_;
  std::mutex mutex_;
  bool cancelled_ = false;
  grpc::Alarm alarm_;
};

/// Reads the peer's description, answers once the worker has connected, then exchanges signs of
/// life until the end. Ownership and threads as GenerateReactor.
class JoinReactor final : public grpc::ServerBidiReactor<v1::JoinHello, v1::JoinHello>,
                          public JoinStream {
 public:
  static std::shared_ptr<JoinReactor> Make(WorkerHandler& handler);

  void Accept(const JoinHello& ours) override;
  void SendAlive() override;
  void SendLeaving() override;
  void Refuse(const Status& status) override;

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone() override;

 private:
  explicit JoinReactor(WorkerHandler& handler) : handler_(handler) { goodbye_.set_leaving(true); }
  void FinishOnce(const grpc::Status& status);
  /// Writes the goodbye if it is wanted and may be.
  void ContinueLocked();

  WorkerHandler& handler_;
  v1::JoinHello theirs_;
  v1::JoinHello ours_;
  const v1::JoinHello sign_;
  v1::JoinHello goodbye_;
  bool described_ = false;
  std::mutex mutex_;
  /// Accepted, and no write is under way.
  bool may_write_ = false;
  /// The goodbye waits until it may be written.
  bool leaving_ = false;
  bool finished_ = false;
  std::shared_ptr<JoinReactor> self_;
};

}  // namespace baton::rpc
