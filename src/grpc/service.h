#pragma once

#include <memory>
#include <string>

#include "baton/api/frontend.h"
#include "baton/v1/completion.grpc.pb.h"
#include "exchange.h"

namespace baton::grpc {

/// Reads requests and starts what answers them. *Threads*: called on gRPC's threads, hands each
/// call to a thread of its own.
class CompletionService final : public v1::Completion::CallbackService {
 public:
  /// REQUIRES: all outlive this.
  CompletionService(api::Frontend& frontend, const GrpcOptions& options, CallThreads& threads)
      : frontend_(frontend),
        model_(frontend.model()),
        options_(options),
        threads_(threads),
        created_unix_s_(model_.clock.UnixSeconds()) {}

 private:
  using Context = ::grpc::CallbackServerContext;
  using UnaryReactor = ::grpc::ServerUnaryReactor;
  template <typename Response>
  using WriteReactor = ::grpc::ServerWriteReactor<Response>;

  UnaryReactor* Complete(Context* context, const v1::CompleteRequest* request,
                         v1::CompleteResponse* response) override;
  WriteReactor<v1::CompleteResponse>* CompleteStream(Context* context,
                                                     const v1::CompleteRequest* request) override;
  UnaryReactor* Chat(Context* context, const v1::ChatRequest* request,
                     v1::ChatResponse* response) override;
  WriteReactor<v1::ChatChunk>* ChatStream(Context* context,
                                          const v1::ChatRequest* request) override;
  UnaryReactor* Tokenize(Context* context, const v1::TokenizeRequest* request,
                         v1::TokenizeResponse* response) override;
  UnaryReactor* Detokenize(Context* context, const v1::DetokenizeRequest* request,
                           v1::DetokenizeResponse* response) override;
  UnaryReactor* Models(Context* context, const v1::ModelsRequest* request,
                       v1::ModelsResponse* response) override;

  template <typename Response, typename Run>
  UnaryReactor* AnswerUnary(Context& context, Response& response, Run run);
  template <typename Response, typename Run>
  WriteReactor<Response>* AnswerStream(Context& context, Run run);

  /// What every call begins with: says its id and asks who calls. False when it has been refused.
  template <typename Response>
  bool Admit(Exchange<Response>& exchange, access::Caller& caller);
  /// Opens the span of a call, where it has one. Returns where in which trace the call is.
  template <typename Response>
  TraceContext Trace(Exchange<Response>& exchange, const std::string& method);
  /// Starts the completion that `request` asks for, or refuses it.
  template <template <typename> typename Answer, typename Response, typename Request>
  void Start(const Request& request, bool stream, Exchange<Response>& exchange);

  api::Frontend& frontend_;
  const api::ServedModel& model_;
  const GrpcOptions& options_;
  CallThreads& threads_;
  const int64_t created_unix_s_;
};

}  // namespace baton::grpc
