#include "baton/discovery/kubernetes_source.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <thread>
#include <utility>

#include <pthread.h>

#include "baton/base/gate.h"
#include "baton/base/logging.h"
#include "baton/base/random.h"
#include "baton/base/units.h"
#include "baton/config/config.h"
#include "baton/outbound/http_client.h"
#include "baton/outbound/retry_pause.h"
#include "known_endpoints.h"
#include "service_account.h"
#include "slice_feed.h"

namespace baton::discovery {
namespace {

constexpr size_t kMostPageBytes = 32 << 20;
/// Of one EndpointSlice; the API server takes none of more than 1.5 MiB.
constexpr size_t kMostLineBytes = 4 << 20;
constexpr size_t kMostErrorBytes = 16 << 10;
constexpr Duration kPagePatience = std::chrono::seconds(30);
/// Beyond the time after which the API server itself ends a watch.
constexpr Duration kWatchSlack = std::chrono::seconds(10);
/// Between two calls of Tick(), where nothing is due.
constexpr Duration kIdle = std::chrono::minutes(1);
constexpr Duration kLeast = std::chrono::milliseconds(1);

constexpr int kOk = 200;
constexpr int kUnauthorized = 401;
constexpr int kForbidden = 403;
constexpr int kNotFound = 404;
constexpr int kGone = 410;

Result<config::HttpsServer> ServerOfPod() {
  const char* const host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* const port = std::getenv("KUBERNETES_SERVICE_PORT");
  if (host == nullptr || port == nullptr) {
    return InvalidArgument(
        "router.discovery.kind is kubernetes, but KUBERNETES_SERVICE_HOST and "
        "KUBERNETES_SERVICE_PORT are not set, as in a pod; run the router in one, or set "
        "router.discovery.api_server and router.discovery.service_account");
  }
  const bool six = std::string(host).find(':') != std::string::npos;
  return config::ParseHttpsServer("https://" + (six ? "[" + std::string(host) + "]" : host) + ":" +
                                  port);
}

class WatchedServices final : public Source {
 public:
  struct Parts {
    ServiceAccount account;
    std::string service_namespace;
    config::HttpsServer server;
    std::vector<config::ServiceName> services;
  };

  WatchedServices(Parts parts, const KubernetesOptions& options, const Clock& clock)
      : account_(parts.account),
        namespace_(parts.service_namespace),
        watch_(options.watch),
        interval_(options.interval),
        clock_(clock),
        feed_(namespace_, parts.services),
        server_(std::move(parts.server)) {}
  ~WatchedServices() override {
    if (!thread_.joinable()) return;
    stopping_ = true;
    stop_.Open();
    client_->Stop();
    thread_.join();
  }

  Status Open() {
    BATON_ASSIGN_OR_RETURN(resolver_, outbound::Resolver::Open({}, stopping_));
    outbound::HttpClientOptions options{
        .server = {.host = server_.host, .port = server_.port, .tls = true},
        .subject = "the API server",
        .authority_file = account_.authority_file(),
        .authority_advice =
            "it is to be that of the cluster, which a pod's service account comes with",
        .certificate_advice =
            "it is to be the authority of the same cluster, and router.discovery.api_server a name "
            "or address in that certificate"};
    client_.emplace(std::move(options), *resolver_, stopping_);
    return OkStatus();
  }
  void Start(Listener& listener) override {
    listener_ = &listener;
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "discovery");
      do {
        const TimePoint begin = clock_.Now();
        const Status status = Ask();
        pause_ = PauseAfter(status, clock_.Now() - begin);
      } while (!stop_.Wait(pause_));
    });
  }
  std::string name() const override { return "Kubernetes"; }

 private:
  class Answer;

  /// One page of a list, or one watch.
  Status Ask();
  /// Takes note of what an answer without success means.
  Status Refusal(int http_status, const std::string& body);
  Duration PauseAfter(const Status& status, Duration took);
  /// A watch has begun.
  void Began();
  /// Tells what is news; returns when there may be more without any from the API server.
  Duration Tell();
  void Learn() {
    if (!feed_.complete()) return;
    EndpointView view = feed_.View();
    known_.Learn(view, clock_.Now());
    listener_->OnTrouble(view.problem);
    Tell();
  }
  std::chrono::seconds WatchTime() {
    const Duration time =
        std::chrono::duration_cast<Duration>(watch_ * (1 - random_.Uniform() / 2));
    return std::chrono::ceil<std::chrono::seconds>(time);
  }

  const ServiceAccount account_;
  const std::string namespace_;
  const Duration watch_;
  const Duration interval_;
  const Clock& clock_;
  SliceFeed feed_;
  KnownEndpoints known_;
  std::optional<std::vector<Place>> told_;
  Listener* listener_ = nullptr;
  Random random_{RandomSeed()};
  int failures_ = 0;
  /// The last answer was a watch.
  bool watched_ = false;
  Duration pause_{};
  std::atomic<bool> stopping_{false};
  const config::HttpsServer server_;
  std::unique_ptr<outbound::Resolver> resolver_;
  std::optional<outbound::HttpClient> client_;
  Gate stop_;
  std::thread thread_;
};

/// Collects a page or an error; hands on a watch line by line.
class WatchedServices::Answer final : public outbound::AnswerReader {
 public:
  explicit Answer(WatchedServices& source) : source_(source), lists_(source.feed_.lists()) {}

  void OnHead(const outbound::AnswerHead& head) override {
    http_status_ = head.http_status;
    if (watches()) source_.Began();
  }
  Status OnBody(std::string_view bytes) override {
    text_ += bytes;
    if (!watches()) {
      if (http_status_ != kOk) text_.resize(std::min(text_.size(), kMostErrorBytes));
      return CheckBytes(kMostPageBytes);
    }
    size_t begin = 0;
    for (size_t end = 0; (end = text_.find('\n', begin)) != std::string::npos; begin = end + 1) {
      const std::string_view line = std::string_view(text_).substr(begin, end - begin);
      if (line.empty()) continue;
      BATON_RETURN_IF_ERROR(source_.feed_.OnLine(line));
    }
    text_.erase(0, begin);
    if (begin > 0) source_.Learn();
    return CheckBytes(kMostLineBytes);
  }
  Duration Tick() override { return source_.Tell(); }

  bool watches() const { return http_status_ == kOk && !lists_; }
  int http_status() const { return http_status_; }
  const std::string& text() const { return text_; }

 private:
  Status CheckBytes(size_t most) const {
    if (text_.size() <= most) return OkStatus();
    return InvalidArgument("the API server's answer has more than " + FormatBytes(most) +
                           " in one piece");
  }

  WatchedServices& source_;
  const bool lists_;
  int http_status_ = 0;
  std::string text_;
};

Status WatchedServices::Ask() {
  BATON_ASSIGN_OR_RETURN(const std::string token, account_.Token());
  const std::chrono::seconds watch = WatchTime();
  const bool lists = feed_.lists();
  Answer answer(*this);
  const Status status = client_->Ask({.target = feed_.Target(watch),
                                      .headers = {{"Authorization", "Bearer " + token}},
                                      .patience = lists ? kPagePatience : watch + kWatchSlack},
                                     answer);
  const bool refused = answer.http_status() != 0 && answer.http_status() != kOk;
  if (refused) return Refusal(answer.http_status(), answer.text());
  BATON_RETURN_IF_ERROR(status);
  if (!lists) return OkStatus();
  BATON_RETURN_IF_ERROR(feed_.OnPage(answer.text()));
  Learn();
  return OkStatus();
}

Status WatchedServices::Refusal(int http_status, const std::string& body) {
  const std::string message = ErrorMessage(body);
  switch (http_status) {
    case kGone: feed_.Relist(); return Aborted(message);
    case kUnauthorized:
      return Status(StatusCode::kUnauthenticated, "the API server does not take the token in " +
                                                      account_.token_file() + ": " + message);
    case kForbidden:
      return Status(
          StatusCode::kPermissionDenied,
          "the router's service account may not list and watch EndpointSlices in the namespace " +
              namespace_ +
              "; bind it to a Role with apiGroups [discovery.k8s.io], resources [endpointslices], "
              "verbs "
              "[get, list, watch]: " +
              message);
    case kNotFound:
      return NotFound(
          "the API server has no EndpointSlices (discovery.k8s.io/v1) in the namespace " +
          namespace_ + ": " + message);
    default:
      return Unavailable("the API server answers with HTTP status " + std::to_string(http_status) +
                         ": " + message);
  }
}

Duration WatchedServices::PauseAfter(const Status& status, Duration took) {
  if (status.ok()) {
    failures_ = 0;
    // The rest of a list, and the watch behind it, follow at once.
    if (took < interval_ && std::exchange(watched_, !feed_.lists())) return interval_ - took;
    return Duration::zero();
  }
  watched_ = false;
  if (status.code() == StatusCode::kCancelled) return Duration::zero();
  // Too old a version is no trouble; again and again it is.
  if (status.code() != StatusCode::kAborted || failures_ > 0) listener_->OnTrouble(status);
  return outbound::RetryPause(++failures_, interval_, random_.Uniform());
}

void WatchedServices::Began() {
  failures_ = 0;
  listener_->OnTrouble(feed_.View().problem);
}

Duration WatchedServices::Tell() {
  if (!feed_.complete()) return kIdle;
  const TimePoint now = clock_.Now();
  std::vector<Place> places = known_.Places(now);
  if (told_ != places) {
    told_ = places;
    listener_->OnPlaces(std::move(places));
  }
  const TimePoint next = known_.next();
  return next == TimePoint::max() ? kIdle : std::max<Duration>(next - now, kLeast);
}

}  // namespace

Result<std::unique_ptr<Source>> KubernetesSource(const KubernetesOptions& options,
                                                 const Clock& clock) {
  WatchedServices::Parts parts{.account = ServiceAccount(options.service_account),
                               .service_namespace = options.service_namespace,
                               .server = {},
                               .services = {}};
  for (const std::string& text : options.services) {
    BATON_ASSIGN_OR_RETURN(config::ServiceName service, config::ParseServiceName(text));
    parts.services.push_back(std::move(service));
  }
  BATON_ASSIGN_OR_RETURN(parts.server, options.api_server.empty()
                                           ? ServerOfPod()
                                           : config::ParseHttpsServer(options.api_server));
  if (parts.service_namespace.empty()) {
    BATON_ASSIGN_OR_RETURN(parts.service_namespace, parts.account.Namespace());
  }
  BATON_RETURN_IF_ERROR(parts.account.Token().status());
  auto source = std::make_unique<WatchedServices>(std::move(parts), options, clock);
  BATON_RETURN_IF_ERROR(source->Open());
  return std::unique_ptr<Source>(std::move(source));
}

}  // namespace baton::discovery
