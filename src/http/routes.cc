#include "routes.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "baton/api/json_writer.h"
#include "baton/api/openapi.h"
#include "baton/api/requests.h"
#include "baton/api/scale_request.h"
#include "baton/api/token_requests.h"
#include "baton/text/utf8.h"
#include "completion_answer.h"
#include "error_response.h"
#include "page/page.h"
#include "readiness_report.h"

namespace baton::http {

namespace {

/// Ends with a slash: what follows is the model's name.
constexpr char kOneModel[] = "/v1/models/";

/// Nothing of the page comes from elsewhere, and no other site shows it within its own.
constexpr char kPagePolicy[] =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

/// Of the longest name of a host.
constexpr size_t kMostHostBytes = 253;

/// Begins with a slash.
constexpr char kPageFiles[] = "/page/";

HttpResponse JsonResponse(std::string body) {
  HttpResponse response;
  response.body = std::move(body);
  return response;
}

/// As `authority`, "host:port" or "host", has it.
void DescribeServer(std::string_view authority, telemetry::OpenSpan& span) {
  const size_t bracket = authority.rfind(']');
  const size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  span.Set("server.address", std::string(authority.substr(0, std::min(colon, kMostHostBytes))));
  if (colon == std::string_view::npos) return;
  int64_t port = 0;
  std::from_chars(authority.data() + colon + 1, authority.data() + authority.size(), port);
  if (port > 0) span.Set("server.port", port);
}

/// Hears of an answer while the client is there.
class LateAnswer final : public ActiveCall {
 public:
  explicit LateAnswer(Exchange& exchange) : exchange_(exchange) {}
  void Send(HttpResponse response) { exchange_.Send(std::move(response)); }

 private:
  Exchange& exchange_;
};

}  // namespace

Routes::Routes(api::Frontend& frontend, const HttpOptions& options)
    : frontend_(frontend),
      model_(frontend.model()),
      options_(options),
      created_unix_s_(model_.clock.UnixSeconds()),
      routes_(Served()) {}

std::vector<Routes::Route> Routes::Served() const {
  const bool all = options_.surface == HttpSurface::kAll;
  std::vector<Route> routes = {{"/health", true, &Routes::Ready, true},
                               {"/livez", true, &Routes::Live, true},
                               {"/readyz", true, &Routes::Ready, true},
                               {"/version", true, &Routes::Version, !all}};
  // Whoever reaches the operators' port needs no key there.
  const bool worker = options_.surface == HttpSurface::kWorker;
  if (worker) routes.push_back({"/metrics", true, &Routes::Metrics, true});
  if (!worker && options_.surface != HttpSurface::kClients) {
    routes.push_back({"/metrics", true, &Routes::Metrics, !all});
    routes.push_back({"/fleet", true, &Routes::Fleet, !all});
    routes.push_back({"/", true, &Routes::Page, true});
    routes.push_back({kPageFiles, true, &Routes::Page, true});
    routes.push_back({"/scale", false, &Routes::Scale, !all});
    routes.push_back({"/scale/state", true, &Routes::Scaling, !all});
  }
  // On the operators' port for the page's box to try a prompt, which asks as any client does.
  routes.push_back({"/v1/completions", false, &Routes::TextCompletion});
  routes.push_back({"/v1/chat/completions", false, &Routes::ChatCompletion});
  if (options_.surface == HttpSurface::kOperators) return routes;
  const std::vector<Route> for_clients = {
      {"/v1/responses", false, &Routes::Responses, false, &api::ResponsesDialect},
      {"/v1/messages", false, &Routes::Messages, false, &api::MessagesDialect},
      {"/v1/messages/count_tokens", false, &Routes::CountTokens, false, &api::MessagesDialect},
      {"/tokenize", false, &Routes::Tokenize},
      {"/detokenize", false, &Routes::Detokenize},
      {"/v1/models", true, &Routes::Models},
      {kOneModel, true, &Routes::OneModel},
      {"/openapi.json", true, &Routes::OpenApi}};
  routes.insert(routes.end(), for_clients.begin(), for_clients.end());
  return routes;
}

std::vector<std::pair<std::string, bool>> Routes::Paths() const {
  std::vector<std::pair<std::string, bool>> paths;
  for (const Route& route : routes_) paths.emplace_back(route.path, route.get);
  return paths;
}

const Routes::Route* Routes::Find(std::string_view path) const {
  for (const Route& route : routes_) {
    const bool prefix = route.path.size() > 1 && route.path.back() == '/';
    if (path == route.path || (prefix && path.starts_with(route.path))) return &route;
  }
  return nullptr;
}

void Routes::Handle(HttpRequest request, Exchange& exchange) {
  const Route* route = Find(request.path);
  if (route == nullptr) {
    return exchange.Send(ErrorResponse(
        {404, "there is no " + request.method + " " + request.path, {}, "not_found"}));
  }
  if (!route->open) {
    if (const auto error = frontend_.Identify(request.key, request.caller)) {
      return exchange.Send(route->dialect == nullptr
                               ? ErrorResponse(*error)
                               : ErrorResponse(*error, route->dialect(), request.request_id));
    }
  }
  const bool get = request.method == "GET" || request.method == "HEAD";
  if (route->get ? !get : request.method != "POST") {
    const std::string allowed = route->get ? "GET, HEAD" : "POST";
    HttpResponse response =
        ErrorResponse({405,
                       request.path + " takes " + allowed + ", not " + request.method,
                       {},
                       "method_not_allowed"});
    response.headers.push_back({"Allow", allowed});
    return exchange.Send(std::move(response));
  }
  (this->*route->handler)(request, exchange);
}

std::unique_ptr<telemetry::OpenSpan> Routes::OpenSpanOf(HttpRequest& request) {
  const Route* route = Find(request.path);
  if (route == nullptr || route->get) return nullptr;
  auto span = telemetry::EnterSpan(model_.options.tracer, request.context,
                                   request.method + " " + route->path, request.context);
  if (!span) return span;
  span->Set("http.request.method", request.method);
  span->Set("http.route", route->path);
  span->Set("url.path", request.path);
  span->Set("url.scheme", options_.tls.empty() ? "http" : "https");
  span->Set("network.protocol.version", request.chunks_allowed ? "1.1" : "1.0");
  if (!request.authority.empty()) DescribeServer(request.authority, *span);
  span->Set("baton.http.request_id", request.request_id);
  return span;
}

void Routes::CountAnswer(std::string_view path, int status) {
  const Route* route = Find(path);
  frontend_.metrics()
      .AddCounter(
          "baton_http_requests_total", "HTTP requests answered, by path and status code.",
          {{"path", route == nullptr ? "other" : route->path}, {"code", std::to_string(status)}})
      .Increment();
}

void Routes::TextCompletion(const HttpRequest& request, Exchange& exchange) {
  Complete(request, false, exchange);
}

void Routes::ChatCompletion(const HttpRequest& request, Exchange& exchange) {
  Complete(request, true, exchange);
}

void Routes::Complete(const HttpRequest& request, bool chat, Exchange& exchange) {
  api::ApiError refusal;
  // Before the body is read: refusing must be cheap.
  std::unique_ptr<api::RunningCalls::Place> place =
      frontend_.running().Enter(request.caller, refusal);
  if (!place) return exchange.Send(ErrorResponse(refusal));
  api::CompletionPlan plan;
  const std::optional<api::ApiError> error =
      chat ? api::ReadChatCompletion(request.body, model_, plan)
           : api::ReadTextCompletion(request.body, model_, plan);
  if (error) return exchange.Send(ErrorResponse(*error));
  api::CallSetup setup{.backend = frontend_.backend(),
                       .model = model_,
                       .strand = exchange.Link(),
                       .id = (chat ? "chatcmpl-" : "cmpl-") + frontend_.ids().Next(),
                       .context = request.context,
                       .prefill_pick = request.prefill_pick,
                       .place = std::move(place)};
  const AnswerSetup answer{exchange, options_};
  const auto call = plan.stream ? MakeStreamedAnswer(std::move(setup), std::move(plan), answer)
                                : MakeWholeAnswer(std::move(setup), std::move(plan), answer);
  exchange.Attach(call);
  call->Start();
}

void Routes::Responses(const HttpRequest& request, Exchange& exchange) {
  Complete(request, api::ResponsesDialect(), exchange);
}

void Routes::Messages(const HttpRequest& request, Exchange& exchange) {
  Complete(request, api::MessagesDialect(), exchange);
}

void Routes::Complete(const HttpRequest& request, const api::Dialect& dialect, Exchange& exchange) {
  api::ApiError refusal;
  std::unique_ptr<api::RunningCalls::Place> place =
      frontend_.running().Enter(request.caller, refusal);
  if (!place) return exchange.Send(ErrorResponse(refusal, dialect, request.request_id));
  api::DialectRequest asked;
  if (const auto error = dialect.Read(request.body, model_, asked))
    return exchange.Send(ErrorResponse(*error, dialect, request.request_id));
  const std::string id = frontend_.ids().Next();
  const api::AnswerIdentity identity{.id = id, .request_id = request.request_id};
  DialectSetup in_dialect{.dialect = dialect,
                          .writer = dialect.MakeWriter(identity, model_, asked),
                          .request_id = request.request_id};
  const auto call =
      MakeDialectAnswer({.backend = frontend_.backend(),
                         .model = model_,
                         .strand = exchange.Link(),
                         .id = id,
                         .context = request.context,
                         .prefill_pick = request.prefill_pick,
                         .place = std::move(place)},
                        std::move(asked.plan), {exchange, options_}, std::move(in_dialect));
  exchange.Attach(call);
  call->Start();
}

void Routes::CountTokens(const HttpRequest& request, Exchange& exchange) {
  int64_t tokens = 0;
  if (const auto error = api::ReadCountTokens(request.body, model_, tokens))
    return exchange.Send(ErrorResponse(*error, api::MessagesDialect(), request.request_id));
  exchange.Send(JsonResponse(R"({"input_tokens":)" + std::to_string(tokens) + "}"));
}

void Routes::Tokenize(const HttpRequest& request, Exchange& exchange) {
  api::TokenizeRequest asked;
  if (const auto error = api::ReadTokenize(request.body, model_, asked)) {
    return exchange.Send(ErrorResponse(*error));
  }
  exchange.Send(JsonResponse(api::TokenizeJson(asked, model_)));
}

void Routes::Detokenize(const HttpRequest& request, Exchange& exchange) {
  std::vector<TokenId> tokens;
  if (const auto error = api::ReadDetokenize(request.body, model_, tokens)) {
    return exchange.Send(ErrorResponse(*error));
  }
  std::string body = R"({"prompt":)";
  api::AppendJsonString(body, model_.tokenizer.Decode(tokens, /*skip_special=*/false));
  exchange.Send(JsonResponse(body + "}"));
}

std::string Routes::ModelJson() const {
  std::string out = R"({"id":)";
  api::AppendJsonString(out, text::ToValidUtf8(model_.options.model));
  out += R"(,"object":"model","created":)";
  api::AppendJsonInteger(out, created_unix_s_);
  out += R"(,"owned_by":"baton","max_model_len":)";
  api::AppendJsonInteger(out, model_.options.context_tokens);
  out += '}';
  return out;
}

void Routes::Models(const HttpRequest&, Exchange& exchange) {
  exchange.Send(JsonResponse(R"({"object":"list","data":[)" + ModelJson() + "]}"));
}

void Routes::OneModel(const HttpRequest& request, Exchange& exchange) {
  const std::string name = request.path.substr(sizeof(kOneModel) - 1);
  if (name == model_.options.model) return exchange.Send(JsonResponse(ModelJson()));
  exchange.Send(ErrorResponse(api::ModelNotFound(name, model_.options.model)));
}

void Routes::Live(const HttpRequest&, Exchange& exchange) {
  if (!frontend_.backend().Alive()) {
    return exchange.Send(ErrorResponse({503, "the router gets nothing done", {}, "not_alive"}));
  }
  exchange.Send(JsonResponse(R"({"status":"ok"})"));
}

void Routes::Ready(const HttpRequest& request, Exchange& exchange) {
  api::Readiness readiness = frontend_.backend().Ready();
  readiness.checks.push_back({"shutdown", ""});
  if (frontend_.running().draining()) {
    readiness.ready = false;
    readiness.checks.back().problem = readiness.reason = "the server is shutting down";
  }
  if (IsVerbose(request.query)) {
    // The workers' names are for whoever may see /fleet.
    access::Caller caller;
    const bool operators =
        options_.surface == HttpSurface::kOperators ||
        (options_.surface == HttpSurface::kAll && !frontend_.Identify(request.key, caller));
    return exchange.Send(ReadinessReport(readiness, operators
                                                        ? frontend_.backend().FleetChecks()
                                                        : std::vector<api::ReadinessCheck>()));
  }
  if (readiness.ready) return exchange.Send(JsonResponse(R"({"status":"ok"})"));
  exchange.Send(ErrorResponse({503, readiness.reason, {}, "not_ready"}));
}

void Routes::Version(const HttpRequest&, Exchange& exchange) {
  std::string body = R"({"version":)";
  api::AppendJsonString(body, model_.options.version);
  exchange.Send(JsonResponse(body + "}"));
}

void Routes::OpenApi(const HttpRequest&, Exchange& exchange) {
  exchange.Send(JsonResponse(std::string(api::OpenApiJson())));
}

void Routes::Metrics(const HttpRequest&, Exchange& exchange) {
  HttpResponse response;
  response.content_type = telemetry::kPrometheusContentType;
  response.body = frontend_.backend().RenderMetrics();
  exchange.Send(std::move(response));
}

void Routes::Fleet(const HttpRequest&, Exchange& exchange) {
  const api::Readiness readiness = frontend_.backend().Ready();
  std::string body = R"({"model":)";
  api::AppendJsonString(body, text::ToValidUtf8(model_.options.model));
  body += R"(,"version":)";
  api::AppendJsonString(body, model_.options.version);
  body += R"(,"started":)";
  api::AppendJsonInteger(body, created_unix_s_);
  body += R"(,"chat":)";
  body += model_.chat_template == nullptr ? "false" : "true";
  body += R"(,"draining":)";
  body += frontend_.running().draining() ? "true" : "false";
  body += R"(,"ready":)";
  body += readiness.ready ? "true" : "false";
  body += R"(,"reason":)";
  api::AppendJsonString(body, text::ToValidUtf8(readiness.reason));
  body += R"(,"fleet":)" + frontend_.backend().RenderFleet() + "}";
  HttpResponse response = JsonResponse(std::move(body));
  response.headers.push_back({"Cache-Control", "no-store"});
  exchange.Send(std::move(response));
}

void Routes::Page(const HttpRequest& request, Exchange& exchange) {
  struct File {
    std::string_view path;
    std::string_view (*content)();
    const char* type;
  };
  static constexpr char kScript[] = "text/javascript; charset=utf-8";
  static constexpr File kFiles[] = {{"/", &PageHtml, "text/html; charset=utf-8"},
                                    {"/page/page.css", &PageCss, "text/css; charset=utf-8"},
                                    {"/page/page.js", &PageJs, kScript},
                                    {"/page/field.js", &FieldJs, kScript},
                                    {"/page/figures.js", &FiguresJs, kScript},
                                    {"/page/prompt.js", &PromptJs, kScript},
                                    {"/page/icon.svg", &PageIcon, "image/svg+xml"}};
  for (const File& file : kFiles) {
    if (file.path != request.path) continue;
    HttpResponse response;
    response.content_type = file.type;
    response.body = file.content();
    response.headers = {{"Content-Security-Policy", kPagePolicy},
                        {"X-Content-Type-Options", "nosniff"},
                        {"Referrer-Policy", "no-referrer"},
                        {"Cache-Control", "no-cache"}};
    return exchange.Send(std::move(response));
  }
  exchange.Send(ErrorResponse({404, "the page has no " + request.path, {}, "not_found"}));
}

/// A key is for asking the model. Who changes the fleet shows that by where they ask: on the
/// operators' port, or on a router that trusts all who reach it.
void Routes::Scale(const HttpRequest& request, Exchange& exchange) {
  if (!request.caller.name.empty()) {
    return exchange.Send(ErrorResponse(
        {403, "clients with keys change no roles; set router.admin_port and ask there"}));
  }
  // A page of another site can post no JSON without asking the browser first, which asks us.
  if (!request.content_type.starts_with("application/json")) {
    return exchange.Send(
        ErrorResponse({415, "the body must be JSON, with content-type: application/json"}));
  }
  api::ScaleRequest asked;
  if (const auto error = api::ReadScale(request.body, model_.options.limits.json_depth, asked)) {
    return exchange.Send(ErrorResponse(*error));
  }
  const auto answer = std::make_shared<LateAnswer>(exchange);
  exchange.Attach(answer);
  frontend_.backend().Scale(asked, [strand = exchange.Link(), weak = std::weak_ptr(answer)](
                                       const Result<api::ScaleState>& state) {
    strand->Post([weak, state] {
      const auto waiting = weak.lock();
      if (!waiting) return;
      if (state.ok()) return waiting->Send(JsonResponse(api::ScaleJson(*state)));
      api::ApiError error = api::ToApiError(state.status());
      // Another time it may do, unlike a field that is wrong.
      if (state.status().code() == StatusCode::kFailedPrecondition) error.status = 409;
      waiting->Send(ErrorResponse(error));
    });
  });
}

void Routes::Scaling(const HttpRequest&, Exchange& exchange) {
  exchange.Send(JsonResponse(api::ScaleJson(frontend_.backend().Scaling())));
}

}  // namespace baton::http
