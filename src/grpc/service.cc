#include "service.h"

#include <optional>
#include <type_traits>
#include <utility>

#include "answers.h"
#include "baton/api/requests.h"
#include "baton/api/token_requests.h"
#include "baton/base/logging.h"
#include "baton/text/utf8.h"
#include "request_body.h"

namespace baton::grpc {

namespace {

constexpr size_t kRequestIdBytes = 128;

api::ApiError Internal(const std::string& request_id, const std::exception& error) {
  BATON_LOG(Error) << "request " << request_id << ": failed: " << error.what();
  return {500, "the server could not handle the request", {}, "internal_error"};
}

/// Runs `run`, whose exceptions are an answer.
template <typename Response, typename Run>
void Guarded(Exchange<Response>& exchange, const Run& run) {
  try {
    run(exchange);
  } catch (const std::exception& error) {
    exchange.Fail(Internal(exchange.request_id(), error));
  }
}

}  // namespace

template <typename Response, typename Run>
::grpc::ServerUnaryReactor* CompletionService::AnswerUnary(Context& context, Response& response,
                                                           Run run) {
  const auto exchange = UnaryExchange<Response>::Make(context, response, threads_.Next());
  Exchange<Response>& base = *exchange;
  base.Post([&base, run] { Guarded(base, run); });
  return exchange.get();
}

template <typename Response, typename Run>
::grpc::ServerWriteReactor<Response>* CompletionService::AnswerStream(Context& context, Run run) {
  const auto exchange = StreamExchange<Response>::Make(context, options_, threads_.Next());
  Exchange<Response>& base = *exchange;
  base.Post([&base, run] { Guarded(base, run); });
  return exchange.get();
}

template <typename Response>
bool CompletionService::Admit(Exchange<Response>& exchange, access::Caller& caller) {
  const std::string id = Metadata(exchange.context(), "x-request-id");
  const bool sane = !id.empty() && id.size() <= kRequestIdBytes;
  exchange.SetRequestId(sane ? id : frontend_.ids().Next());
  const auto error = frontend_.Identify(KeyIn(exchange.context()), caller);
  if (error) exchange.Fail(*error);
  return !error;
}

template <typename Response>
TraceContext CompletionService::Trace(Exchange<Response>& exchange, const std::string& method) {
  const std::string service(v1::Completion::service_full_name());
  TraceContext here;
  auto span = telemetry::EnterSpan(model_.options.tracer, ContextIn(exchange.context()),
                                   service + "/" + method, here);
  if (!span) return here;
  exchange.AddMetadata("traceresponse", Traceparent(here));
  span->Set("rpc.system", "grpc");
  span->Set("rpc.service", service);
  span->Set("rpc.method", method);
  exchange.AttachSpan(std::move(span));
  return here;
}

template <template <typename> typename Answer, typename Response, typename Request>
void CompletionService::Start(const Request& request, bool stream, Exchange<Response>& exchange) {
  constexpr bool kChat = std::is_same_v<Request, v1::ChatRequest>;
  const TraceContext context =
      Trace(exchange, (kChat ? std::string("Chat") : "Complete") + (stream ? "Stream" : ""));
  access::Caller caller;
  if (!Admit(exchange, caller)) return;
  api::ApiError refusal;
  // Before the request is read: refusing must be cheap.
  std::unique_ptr<api::RunningCalls::Place> place =
      frontend_.running().Enter(std::move(caller), refusal);
  if (!place) return exchange.Fail(refusal);
  const Result<std::string> body = ToBody(request, stream);
  if (!body.ok()) return exchange.Fail(api::ToApiError(body.status()));
  api::CompletionPlan plan;
  const std::optional<api::ApiError> error = kChat ? api::ReadChatCompletion(*body, model_, plan)
                                                   : api::ReadTextCompletion(*body, model_, plan);
  if (error) return exchange.Fail(*error);
  api::CallSetup setup{.backend = frontend_.backend(),
                       .model = model_,
                       .strand = exchange.link(),
                       .id = (kChat ? "chatcmpl-" : "cmpl-") + frontend_.ids().Next(),
                       .context = context,
                       .place = std::move(place)};
  const auto call = std::make_shared<Answer<Response>>(
      std::move(setup), std::move(plan), AnswerSetup<Response>{exchange, model_.tokenizer});
  exchange.Attach(call);
  call->Start();
}

::grpc::ServerUnaryReactor* CompletionService::Complete(Context* context,
                                                        const v1::CompleteRequest* request,
                                                        v1::CompleteResponse* response) {
  return AnswerUnary(*context, *response, [this, request](auto& exchange) {
    Start<WholeAnswer>(*request, false, exchange);
  });
}

::grpc::ServerWriteReactor<v1::CompleteResponse>* CompletionService::CompleteStream(
    Context* context, const v1::CompleteRequest* request) {
  return AnswerStream<v1::CompleteResponse>(*context, [this, request](auto& exchange) {
    Start<StreamedAnswer>(*request, true, exchange);
  });
}

::grpc::ServerUnaryReactor* CompletionService::Chat(Context* context,
                                                    const v1::ChatRequest* request,
                                                    v1::ChatResponse* response) {
  return AnswerUnary(*context, *response, [this, request](auto& exchange) {
    Start<WholeAnswer>(*request, false, exchange);
  });
}

::grpc::ServerWriteReactor<v1::ChatChunk>* CompletionService::ChatStream(
    Context* context, const v1::ChatRequest* request) {
  return AnswerStream<v1::ChatChunk>(*context, [this, request](auto& exchange) {
    Start<StreamedAnswer>(*request, true, exchange);
  });
}

::grpc::ServerUnaryReactor* CompletionService::Tokenize(Context* context,
                                                        const v1::TokenizeRequest* request,
                                                        v1::TokenizeResponse* response) {
  return AnswerUnary(*context, *response, [this, request](auto& exchange) {
    access::Caller caller;
    if (!Admit(exchange, caller)) return;
    const Result<std::string> body = ToBody(*request);
    if (!body.ok()) return exchange.Fail(api::ToApiError(body.status()));
    api::TokenizeRequest asked;
    if (const auto error = api::ReadTokenize(*body, model_, asked)) return exchange.Fail(*error);
    v1::TokenizeResponse answer;
    answer.set_count(static_cast<int32_t>(asked.tokens.size()));
    answer.set_max_model_len(model_.options.context_tokens);
    answer.mutable_tokens()->Assign(asked.tokens.begin(), asked.tokens.end());
    if (asked.token_strings) {
      for (const TokenId token : asked.tokens)
        answer.add_token_strs(text::ToValidUtf8(model_.tokenizer.TokenBytes(token)));
    }
    exchange.Write(std::move(answer));
    exchange.End(::grpc::Status::OK);
  });
}

::grpc::ServerUnaryReactor* CompletionService::Detokenize(Context* context,
                                                          const v1::DetokenizeRequest* request,
                                                          v1::DetokenizeResponse* response) {
  return AnswerUnary(*context, *response, [this, request](auto& exchange) {
    access::Caller caller;
    if (!Admit(exchange, caller)) return;
    const Result<std::string> body = ToBody(*request);
    if (!body.ok()) return exchange.Fail(api::ToApiError(body.status()));
    std::vector<TokenId> tokens;
    if (const auto error = api::ReadDetokenize(*body, model_, tokens)) return exchange.Fail(*error);
    v1::DetokenizeResponse answer;
    answer.set_prompt(model_.tokenizer.Decode(tokens, /*skip_special=*/false));
    exchange.Write(std::move(answer));
    exchange.End(::grpc::Status::OK);
  });
}

::grpc::ServerUnaryReactor* CompletionService::Models(Context* context, const v1::ModelsRequest*,
                                                      v1::ModelsResponse* response) {
  return AnswerUnary(*context, *response, [this](auto& exchange) {
    access::Caller caller;
    if (!Admit(exchange, caller)) return;
    v1::ModelsResponse answer;
    v1::Model& model = *answer.add_data();
    model.set_id(text::ToValidUtf8(model_.options.model));
    model.set_created(created_unix_s_);
    model.set_owned_by("baton");
    model.set_max_model_len(model_.options.context_tokens);
    exchange.Write(std::move(answer));
    exchange.End(::grpc::Status::OK);
  });
}

}  // namespace baton::grpc
