#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "baton/http/completion_backend.h"
#include "baton/telemetry/metrics.h"
#include "exchange.h"
#include "id_source.h"
#include "openai/completion_plan.h"
#include "running_calls.h"

namespace baton::http {

/// Which paths there are and what answers them. *Threads*: thread-safe.
class Routes final : public RequestHandler {
 public:
  /// REQUIRES: all references outlive this.
  Routes(const ServedModel& model, CompletionBackend& backend, RunningCalls& running, IdSource& ids,
         telemetry::MetricRegistry& metrics);

  void Handle(HttpRequest request, Exchange& exchange) override;
  void CountAnswer(std::string_view path, int status) override;

 private:
  using Handler = void (Routes::*)(const HttpRequest&, Exchange&);
  struct Route {
    std::string path;
    /// GET includes HEAD.
    bool get;
    Handler handler;
  };

  const Route* Find(std::string_view path) const;
  void TextCompletion(const HttpRequest& request, Exchange& exchange);
  void ChatCompletion(const HttpRequest& request, Exchange& exchange);
  void Complete(const HttpRequest& request, bool chat, Exchange& exchange);
  void Tokenize(const HttpRequest& request, Exchange& exchange);
  void Detokenize(const HttpRequest& request, Exchange& exchange);
  void Models(const HttpRequest& request, Exchange& exchange);
  void OneModel(const HttpRequest& request, Exchange& exchange);
  void Live(const HttpRequest& request, Exchange& exchange);
  void Ready(const HttpRequest& request, Exchange& exchange);
  void Version(const HttpRequest& request, Exchange& exchange);
  void Metrics(const HttpRequest& request, Exchange& exchange);
  std::string ModelJson() const;

  const ServedModel& model_;
  CompletionBackend& backend_;
  RunningCalls& running_;
  IdSource& ids_;
  telemetry::MetricRegistry& metrics_;
  const int64_t created_unix_s_;
  const std::vector<Route> routes_;
};

}  // namespace baton::http
