#include "baton/rpc/client.h"

#include <mutex>
#include <utility>

#include <grpcpp/grpcpp.h>

#include "baton/v1/worker.grpc.pb.h"
#include "channel.h"
#include "convert.h"

namespace baton::rpc {
namespace {

std::chrono::system_clock::time_point DeadlineAfter(Duration timeout) {
  return std::chrono::system_clock::now() +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(timeout);
}

/// A call that reads a stream of messages. Keeps itself alive until gRPC is done with it.
template <typename Event>
class ReadCall : public grpc::ClientReadReactor<Event>, public Call {
 public:
  void Cancel() override { context_.TryCancel(); }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    Handle(event_);
    event_.Clear();
    this->StartRead(&event_);
  }

  void OnDone(const grpc::Status& status) override {
    const std::shared_ptr<ReadCall> self = std::move(self_);
    End(FromGrpc(status));
  }

 protected:
  void Begin(std::shared_ptr<ReadCall> self) {
    self_ = std::move(self);
    this->StartRead(&event_);
    this->StartCall();
  }
  virtual void Handle(const Event& event) = 0;
  virtual void End(const Status& status) = 0;

  grpc::ClientContext context_;

 private:
  Event event_;
  std::shared_ptr<ReadCall> self_;
};

class GenerateReadCall final : public ReadCall<v1::GenerateEvent> {
 public:
  GenerateReadCall(const GenerateCall& call, GenerateCallbacks callbacks)
      : callbacks_(std::move(callbacks)) {
    ToProto(call, &request_);
    request_.set_several_tokens(true);
  }
  void Start(v1::Worker::Stub& stub, std::shared_ptr<GenerateReadCall> self) {
    stub.async()->Generate(&context_, &request_, this);
    Begin(std::move(self));
  }

 private:
  void Handle(const v1::GenerateEvent& event) override {
    if (event.has_route()) callbacks_.on_route(event.route());
    if (event.has_prompt_logprobs()) Collect(event.prompt_logprobs());
    if (event.has_token()) Hand(event.token());
    for (const v1::Token& token : event.tokens().tokens()) Hand(token);
    if (event.has_report() && callbacks_.on_report) {
      callbacks_.on_report(FromProto(event.report()));
    }
  }
  void End(const Status& status) override { callbacks_.on_end(status); }

  void Hand(const v1::Token& token) {
    TokenOutput output = FromProto(token);
    output.prompt_logprobs = std::move(prompt_logprobs_);
    callbacks_.on_token(std::move(output));
  }

  /// Of no more than the prompt's tokens, whatever the worker says.
  void Collect(const v1::PromptLogprobs& part) {
    if (!prompt_logprobs_) prompt_logprobs_ = std::make_shared<PromptLogprobs>();
    const size_t size = prompt_logprobs_->size() + static_cast<size_t>(part.entries_size());
    if (size <= static_cast<size_t>(request_.prompt_size())) {
      AppendFromProto(part, *prompt_logprobs_);
    }
  }

  v1::GenerateRequest request_;
  GenerateCallbacks callbacks_;
  /// Until the first token, which brings them along.
  std::shared_ptr<PromptLogprobs> prompt_logprobs_;
};

class WatchReadCall final : public ReadCall<v1::WorkerStatus> {
 public:
  explicit WatchReadCall(WatchCallbacks callbacks) : callbacks_(std::move(callbacks)) {}
  void Start(v1::Worker::Stub& stub, std::shared_ptr<WatchReadCall> self) {
    stub.async()->Watch(&context_, &request_, this);
    Begin(std::move(self));
  }

 private:
  void Handle(const v1::WorkerStatus& status) override { callbacks_.on_status(FromProto(status)); }
  void End(const Status& status) override { callbacks_.on_end(status); }

  v1::WatchRequest request_;
  WatchCallbacks callbacks_;
};

/// Sends our description, reads the peer's, then signs of life until the end. *Threads*: the mutex
/// orders our signs with gRPC's callbacks; neither side may wait.
class JoinBidiCall final : public grpc::ClientBidiReactor<v1::JoinHello, v1::JoinHello>,
                           public JoinCall {
 public:
  JoinBidiCall(const JoinHello& ours, JoinCallbacks callbacks) : callbacks_(std::move(callbacks)) {
    ToProto(ours, &ours_);
  }
  void Start(v1::Worker::Stub& stub, std::shared_ptr<JoinBidiCall> self) {
    self_ = std::move(self);
    stub.async()->Join(&context_, this);
    StartWrite(&ours_);
    StartRead(&theirs_);
    StartCall();
  }
  void Cancel() override { context_.TryCancel(); }

  void SendAlive() override {
    std::lock_guard lock(mutex_);
    // A read is under way until the end, which holds the call open for this write.
    if (writing_ || ended_) return;
    writing_ = true;
    StartWrite(&sign_);
  }

  void OnWriteDone(bool) override {
    std::lock_guard lock(mutex_);
    writing_ = false;
  }

  void OnReadDone(bool ok) override {
    if (ok && accepted_) {
      callbacks_.on_alive();
      if (theirs_.leaving() && callbacks_.on_leaving) callbacks_.on_leaving();
    } else if (ok) {
      ok = Accept();
    }
    if (ok) return StartRead(&theirs_);
    std::lock_guard lock(mutex_);
    ended_ = true;
  }

  void OnDone(const grpc::Status& status) override {
    const std::shared_ptr<JoinBidiCall> self = std::move(self_);
    callbacks_.on_end(problem_.ok() ? FromGrpc(status) : problem_);
  }

 private:
  bool Accept() {
    auto peer = FromProto(theirs_);
    if (!peer.ok()) {
      problem_ = peer.status();
      Cancel();
      return false;
    }
    accepted_ = true;
    callbacks_.on_accepted(*std::move(peer));
    return true;
  }

  grpc::ClientContext context_;
  v1::JoinHello ours_;
  v1::JoinHello theirs_;
  const v1::JoinHello sign_;
  bool accepted_ = false;
  Status problem_;
  JoinCallbacks callbacks_;
  std::mutex mutex_;
  bool writing_ = true;
  bool ended_ = false;
  std::shared_ptr<JoinBidiCall> self_;
};

/// What a unary call needs until its reply.
template <typename Request, typename Reply>
struct UnaryCall {
  grpc::ClientContext context;
  Request request;
  Reply reply;
};

/// When the last channel that made a call goes, gRPC joins the threads that run its callbacks. A
/// call that ends on such a thread may hold the last one, and the thread would join itself and
/// hang. So one channel, whose only call ends at once, stays for the life of the process; nobody
/// uses it, but the leak checker looks for what still points to it.
void KeepCallbackThreads() {
  [[gnu::used]] static const v1::Worker::Stub* const kept = [] {
    auto* const stub =
        v1::Worker::NewStub(OpenChannel("127.0.0.1:1", grpc::InsecureChannelCredentials()))
            .release();
    auto call = std::make_shared<UnaryCall<v1::DescribeRequest, v1::WorkerDescription>>();
    call->context.set_deadline(std::chrono::system_clock::now());
    stub->async()->Describe(&call->context, &call->request, &call->reply,
                            [call](const grpc::Status&) {});
    return stub;
  }();
}

class GrpcWorkerClient final : public WorkerClient {
 public:
  GrpcWorkerClient(const std::string& address,
                   const std::shared_ptr<grpc::ChannelCredentials>& credentials)
      : stub_(v1::Worker::NewStub(OpenChannel(address, credentials))) {
    KeepCallbackThreads();
  }

  void Describe(Duration timeout,
                std::function<void(Result<WorkerDescription>)> on_reply) override {
    auto call = std::make_shared<UnaryCall<v1::DescribeRequest, v1::WorkerDescription>>();
    call->context.set_deadline(DeadlineAfter(timeout));
    stub_->async()->Describe(&call->context, &call->request, &call->reply,
                             [call, on_reply = std::move(on_reply)](const grpc::Status& status) {
                               if (!status.ok()) return on_reply(FromGrpc(status));
                               on_reply(FromProto(call->reply));
                             });
  }

  void SetPeers(const std::vector<PeerAddress>& peers, Duration timeout,
                std::function<void(Status)> on_reply) override {
    auto call = std::make_shared<UnaryCall<v1::SetPeersRequest, v1::SetPeersReply>>();
    call->context.set_deadline(DeadlineAfter(timeout));
    for (const PeerAddress& peer : peers) {
      v1::Peer* added = call->request.add_peers();
      added->set_name(peer.name);
      added->set_address(peer.address);
    }
    stub_->async()->SetPeers(&call->context, &call->request, &call->reply,
                             [call, on_reply = std::move(on_reply)](const grpc::Status& status) {
                               on_reply(FromGrpc(status));
                             });
  }

  void SetRole(Role role, Duration patience, Duration timeout,
               std::function<void(Status)> on_reply) override {
    auto call = std::make_shared<UnaryCall<v1::SetRoleRequest, v1::SetRoleReply>>();
    call->context.set_deadline(DeadlineAfter(timeout));
    call->request.set_role(static_cast<v1::Role>(role));
    call->request.set_drain_ms(static_cast<uint32_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(patience).count()));
    stub_->async()->SetRole(&call->context, &call->request, &call->reply,
                            [call, on_reply = std::move(on_reply)](const grpc::Status& status) {
                              on_reply(FromGrpc(status));
                            });
  }

  std::shared_ptr<Call> Generate(const GenerateCall& call, GenerateCallbacks callbacks) override {
    auto reader = std::make_shared<GenerateReadCall>(call, std::move(callbacks));
    reader->Start(*stub_, reader);
    return reader;
  }

  std::shared_ptr<Call> Watch(WatchCallbacks callbacks) override {
    auto reader = std::make_shared<WatchReadCall>(std::move(callbacks));
    reader->Start(*stub_, reader);
    return reader;
  }

  std::shared_ptr<JoinCall> Join(const JoinHello& ours, JoinCallbacks callbacks) override {
    auto join = std::make_shared<JoinBidiCall>(ours, std::move(callbacks));
    join->Start(*stub_, join);
    return join;
  }

 private:
  std::unique_ptr<v1::Worker::Stub> stub_;
};

}  // namespace

std::unique_ptr<WorkerClient> WorkerClient::Create(const std::string& address) {
  return std::make_unique<GrpcWorkerClient>(address, grpc::InsecureChannelCredentials());
}

DialWorker DialOverGrpc(const FleetTls& tls) {
  // One for all clients: it watches the files.
  return [credentials = FleetChannelCredentials(tls)](const std::string& address) {
    return std::make_unique<GrpcWorkerClient>(address, credentials);
  };
}

}  // namespace baton::rpc
