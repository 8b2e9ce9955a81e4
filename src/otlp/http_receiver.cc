#include "http_receiver.h"

#include <atomic>
#include <fstream>
#include <optional>
#include <utility>

#include "baton/outbound/gzip.h"
#include "baton/outbound/http_client.h"

namespace baton::otlp {
namespace {

constexpr size_t kMostAnswerBytes = 64 << 10;
/// How often it is looked whether to stop, where Stop() comes between two waits.
constexpr Duration kLook = std::chrono::milliseconds(100);

class WholeAnswer final : public outbound::AnswerReader {
 public:
  explicit WholeAnswer(Answer& answer) : answer_(answer) {}
  void OnHead(const outbound::AnswerHead& head) override {
    answer_.http_status = head.http_status;
    answer_.retry_after = head.retry_after;
  }
  Status OnBody(std::string_view bytes) override {
    answer_.body += bytes;
    if (answer_.body.size() <= kMostAnswerBytes) return OkStatus();
    return Unavailable("the answer is larger than one to a batch of spans is");
  }
  Duration Tick() override { return kLook; }

 private:
  Answer& answer_;
};

class AskedReceiver final : public Receiver {
 public:
  explicit AskedReceiver(const Settings& settings) : settings_(settings) {}

  Status Open() {
    const config::HttpUrl& url = settings_.endpoint;
    BATON_ASSIGN_OR_RETURN(resolver_, outbound::Resolver::Open({}, stopping_));
    outbound::HttpClientOptions options{
        .server = {.host = url.host, .port = url.port, .tls = url.tls},
        .subject = "the receiver of spans",
        .authority_file = settings_.authority_file,
        .authority_advice =
            "telemetry.otlp.authority, or OTEL_EXPORTER_OTLP_CERTIFICATE, is to name one",
        .certificate_advice =
            "telemetry.otlp.authority, or OTEL_EXPORTER_OTLP_CERTIFICATE, is to be of those that "
            "signed it, and the endpoint's host a name or address in it"};
    client_.emplace(std::move(options), *resolver_, stopping_);
    if (settings_.authority_file.empty() || std::ifstream(settings_.authority_file)) {
      return OkStatus();
    }
    return InvalidArgument("telemetry.otlp.authority, or OTEL_EXPORTER_OTLP_CERTIFICATE: " +
                           settings_.authority_file + " cannot be read");
  }

  Answer Post(const std::string& batch) override {
    outbound::HttpClient::Question question{.target = settings_.endpoint.path,
                                            .headers = {{"Content-Type", "application/json"}},
                                            .body = batch,
                                            .step = settings_.timeout,
                                            .patience = settings_.timeout};
    if (settings_.gzip) {
      question.headers.emplace_back("Content-Encoding", "gzip");
      question.body = outbound::Gzip(batch);
    }
    for (const auto& header : settings_.headers) question.headers.push_back(header);
    Answer answer;
    WholeAnswer reader(answer);
    answer.status = client_->Ask(question, reader);
    return answer;
  }
  void Stop() override {
    stopping_ = true;
    client_->Stop();
  }
  std::string name() const override {
    const config::HttpUrl& url = settings_.endpoint;
    const bool six = url.host.find(':') != std::string::npos;
    return (url.tls ? "https://" : "http://") + (six ? "[" + url.host + "]" : url.host) + ":" +
           std::to_string(url.port) + url.path.substr(0, url.path.find('?'));
  }

 private:
  const Settings settings_;
  std::atomic<bool> stopping_{false};
  std::unique_ptr<outbound::Resolver> resolver_;
  std::optional<outbound::HttpClient> client_;
};

}  // namespace

Result<std::unique_ptr<Receiver>> HttpReceiver(const Settings& settings) {
  auto receiver = std::make_unique<AskedReceiver>(settings);
  BATON_RETURN_IF_ERROR(receiver->Open());
  return std::unique_ptr<Receiver>(std::move(receiver));
}

}  // namespace baton::otlp
