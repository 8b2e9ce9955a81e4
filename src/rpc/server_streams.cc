#include "server_streams.h"

#include <algorithm>
#include <utility>

#include "convert.h"

namespace baton::rpc {
namespace {

/// Tokens and other events that may wait for a slow reader before its call is given up.
constexpr size_t kQueued = 16384;
/// In one event: with all log-probabilities that can be asked for, some 60 KiB.
constexpr int kTokens = 256;
/// In one event: with all that can be asked for, some 300 KiB.
constexpr size_t kPromptLogprobs = 1024;

}  // namespace

std::shared_ptr<GenerateReactor> GenerateReactor::Make(WorkerHandler& handler,
                                                       bool several_tokens) {
  std::shared_ptr<GenerateReactor> reactor(new GenerateReactor(handler, several_tokens));
  reactor->self_ = reactor;
  return reactor;
}

bool GenerateReactor::SendRoute(const std::string& route) {
  v1::GenerateEvent event;
  event.set_route(route);
  return Send(std::move(event));
}

bool GenerateReactor::SendToken(const TokenOutput& output) {
  if (output.prompt_logprobs && !SendPromptLogprobs(*output.prompt_logprobs)) return false;
  std::lock_guard lock(mutex_);
  if (!takes_more_locked()) return false;
  ToProto(output, NextTokenLocked());
  ++queued_;
  if (!writing_) ContinueLocked();
  return true;
}

v1::Token* GenerateReactor::NextTokenLocked() {
  if (!several_tokens_) return queue_.emplace_back().mutable_token();
  const bool joins = queue_.size() > 1 && queue_.back().has_tokens() &&
                     queue_.back().tokens().tokens_size() < kTokens;
  v1::GenerateEvent& event = joins ? queue_.back() : queue_.emplace_back();
  return event.mutable_tokens()->add_tokens();
}

bool GenerateReactor::SendPromptLogprobs(std::span<const PromptLogprob> rest) {
  while (!rest.empty()) {
    const size_t count = std::min(rest.size(), kPromptLogprobs);
    v1::GenerateEvent event;
    ToProto(rest.first(count), event.mutable_prompt_logprobs());
    if (!Send(std::move(event))) return false;
    rest = rest.subspan(count);
  }
  return true;
}

bool GenerateReactor::SendReport(const GenerateReport& report) {
  v1::GenerateEvent event;
  ToProto(report, event.mutable_report());
  return Send(std::move(event));
}

bool GenerateReactor::Send(v1::GenerateEvent event) {
  std::lock_guard lock(mutex_);
  if (!takes_more_locked()) return false;
  queue_.push_back(std::move(event));
  ++queued_;
  if (!writing_) ContinueLocked();
  return true;
}

bool GenerateReactor::takes_more_locked() const {
  return !closed_ && !finish_ && queued_ < kQueued;
}

void GenerateReactor::Finish(const Status& status) {
  std::lock_guard lock(mutex_);
  if (closed_ || finish_) return;
  finish_ = status;
  if (!writing_) ContinueLocked();
}

void GenerateReactor::ContinueLocked() {
  if (!queue_.empty()) {
    writing_ = true;
    StartWrite(&queue_.front());
  } else if (finish_ && !finish_started_) {
    finish_started_ = true;
    grpc::ServerWriteReactor<v1::GenerateEvent>::Finish(ToGrpc(*finish_));
  }
}

void GenerateReactor::OnWriteDone(bool ok) {
  std::lock_guard lock(mutex_);
  writing_ = false;
  if (ok) {
    const v1::GenerateEvent& sent = queue_.front();
    queued_ -= sent.has_tokens() ? static_cast<size_t>(sent.tokens().tokens_size()) : 1;
    queue_.pop_front();
  } else {
    queue_.clear();
    if (!finish_) finish_ = Cancelled("the caller is gone");
  }
  ContinueLocked();
}

void GenerateReactor::OnCancel() {
  std::lock_guard lock(mutex_);
  if (!finish_) finish_ = Cancelled("the caller gave the request up");
  if (writing_) return;
  queue_.clear();
  ContinueLocked();
}

void GenerateReactor::OnDone() {
  std::shared_ptr<GenerateReactor> self;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    queue_.clear();
    self = std::move(self_);
  }
  handler_.OnGenerateEnded(this);
}

WatchReactor::WatchReactor(WorkerHandler& handler, Duration interval)
    : handler_(handler), interval_(interval) {
  SendStatus();
}

void WatchReactor::SendStatus() {
  status_.Clear();
  WorkerStatus status = handler_.CurrentStatus();
  status.prefixes = handler_.NextPrefixes(prefixes_);
  ToProto(status, &status_);
  StartWrite(&status_);
}

void WatchReactor::AwaitInterval() {
  const auto deadline = std::chrono::system_clock::now() +
                        std::chrono::duration_cast<std::chrono::system_clock::duration>(interval_);
  alarm_.Set(deadline, [this](bool) {
    std::unique_lock lock(mutex_);
    const bool cancelled = cancelled_;
    lock.unlock();
    if (cancelled) return Finish(grpc::Status::CANCELLED);
    SendStatus();
  });
}

void WatchReactor::OnWriteDone(bool ok) {
  std::unique_lock lock(mutex_);
  if (ok && !cancelled_) return AwaitInterval();
  lock.unlock();
  Finish(grpc::Status::CANCELLED);
}

void WatchReactor::OnCancel() {
  std::lock_guard lock(mutex_);
  cancelled_ = true;
  alarm_.Cancel();
}

std::shared_ptr<JoinReactor> JoinReactor::Make(WorkerHandler& handler) {
  std::shared_ptr<JoinReactor> reactor(new JoinReactor(handler));
  reactor->self_ = reactor;
  reactor->StartRead(&reactor->theirs_);
  return reactor;
}

void JoinReactor::Accept(const JoinHello& ours) {
  std::lock_guard lock(mutex_);
  if (finished_) return;
  ToProto(ours, &ours_);
  StartWrite(&ours_);
}

void JoinReactor::SendAlive() {
  std::lock_guard lock(mutex_);
  if (finished_ || !may_write_) return;
  may_write_ = false;
  StartWrite(&sign_);
}

void JoinReactor::SendLeaving() {
  std::lock_guard lock(mutex_);
  leaving_ = true;
  ContinueLocked();
}

void JoinReactor::ContinueLocked() {
  if (finished_ || !may_write_ || !leaving_) return;
  leaving_ = may_write_ = false;
  StartWrite(&goodbye_);
}

void JoinReactor::OnWriteDone(bool ok) {
  std::lock_guard lock(mutex_);
  may_write_ = ok;
  ContinueLocked();
}

void JoinReactor::Refuse(const Status& status) { FinishOnce(ToGrpc(status)); }

void JoinReactor::OnReadDone(bool ok) {
  if (!ok) return FinishOnce(grpc::Status::OK);
  if (described_) {
    if (theirs_.has_worker()) return Refuse(InvalidArgument("a peer says hello once"));
    handler_.OnJoinAlive(this);
    return StartRead(&theirs_);
  }
  described_ = true;
  auto peer = FromProto(theirs_);
  if (!peer.ok()) return Refuse(peer.status());
  handler_.OnJoin(*std::move(peer), self_);
  StartRead(&theirs_);
}

void JoinReactor::FinishOnce(const grpc::Status& status) {
  std::lock_guard lock(mutex_);
  if (finished_) return;
  finished_ = true;
  Finish(status);
}

void JoinReactor::OnDone() {
  const std::shared_ptr<JoinReactor> self = std::move(self_);
  handler_.OnJoinEnded(this);
}

}  // namespace baton::rpc
