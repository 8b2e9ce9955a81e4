#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "baton/api/dialect.h"
#include "baton/api/frontend.h"
#include "baton/http/http_options.h"
#include "exchange.h"

namespace baton::http {

/// Which paths there are and what answers them. *Threads*: thread-safe.
class Routes final : public RequestHandler {
 public:
  /// REQUIRES: both outlive this.
  Routes(api::Frontend& frontend, const HttpOptions& options);

  void Handle(HttpRequest request, Exchange& exchange) override;
  void CountAnswer(std::string_view path, int status) override;
  /// Of what is posted: nobody wants a trace of every scrape and probe.
  std::unique_ptr<telemetry::OpenSpan> OpenSpanOf(HttpRequest& request) override;
  /// The paths that there are, each with whether it takes GET, else POST. One that ends with a
  /// slash stands for all that begin so.
  std::vector<std::pair<std::string, bool>> Paths() const;

 private:
  using Handler = void (Routes::*)(const HttpRequest&, Exchange&);
  struct Route {
    std::string path;
    /// GET includes HEAD.
    bool get;
    Handler handler;
    /// Nobody is asked for a key.
    bool open = false;
    /// How its clients read errors; null: as OpenAI's.
    const api::Dialect& (*dialect)() = nullptr;
  };

  std::vector<Route> Served() const;
  const Route* Find(std::string_view path) const;
  void TextCompletion(const HttpRequest& request, Exchange& exchange);
  void ChatCompletion(const HttpRequest& request, Exchange& exchange);
  void Complete(const HttpRequest& request, bool chat, Exchange& exchange);
  void Responses(const HttpRequest& request, Exchange& exchange);
  void Messages(const HttpRequest& request, Exchange& exchange);
  void CountTokens(const HttpRequest& request, Exchange& exchange);
  void Complete(const HttpRequest& request, const api::Dialect& dialect, Exchange& exchange);
  void Tokenize(const HttpRequest& request, Exchange& exchange);
  void Detokenize(const HttpRequest& request, Exchange& exchange);
  void Models(const HttpRequest& request, Exchange& exchange);
  void OneModel(const HttpRequest& request, Exchange& exchange);
  void Live(const HttpRequest& request, Exchange& exchange);
  void OpenApi(const HttpRequest& request, Exchange& exchange);
  void Ready(const HttpRequest& request, Exchange& exchange);
  void Version(const HttpRequest& request, Exchange& exchange);
  void Metrics(const HttpRequest& request, Exchange& exchange);
  void Fleet(const HttpRequest& request, Exchange& exchange);
  void Page(const HttpRequest& request, Exchange& exchange);
  void Scale(const HttpRequest& request, Exchange& exchange);
  void Scaling(const HttpRequest& request, Exchange& exchange);
  std::string ModelJson() const;

  api::Frontend& frontend_;
  const api::ServedModel& model_;
  const HttpOptions& options_;
  const int64_t created_unix_s_;
  const std::vector<Route> routes_;
};

}  // namespace baton::http
