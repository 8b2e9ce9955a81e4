#include "http_world.h"

#include <deque>
#include <map>
#include <optional>

#include <nlohmann/json.hpp>

#include "baton/base/check.h"
#include "baton/text/utf8.h"

namespace baton::fuzz {
namespace {

/// Tokens of an output; fewer when fewer were asked for.
constexpr int32_t kMostTokens = 5;

void CheckJson(const std::string& text) {
  BATON_CHECK(nlohmann::json::accept(text)) << "not JSON: " << text;
}

}  // namespace

/// Repeats the prompt's tokens. A request whose seed is odd gets no end; one with 2 fails.
class HttpWorld::Backend final : public api::CompletionBackend {
 public:
  void Start(Request request, std::shared_ptr<api::CompletionSink> sink) override {
    BATON_CHECK(!request.prompt.empty() && Validate(request.sampling, 1 << 24).ok());
    sink->OnRoute("local=d0");
    const int32_t count = std::min(request.sampling.max_tokens, kMostTokens);
    const bool unfinished = (request.sampling.seed & 1) != 0;
    for (int32_t i = 0; i < count; ++i)
      sink->OnToken(Token(request, i, !unfinished && i + 1 == count));
    if (unfinished) {
      open_[request.id] = std::move(sink);
    } else {
      sink->OnEnd((request.sampling.seed & 2) != 0 ? Unavailable("lost") : OkStatus());
    }
  }
  void Cancel(const std::string& id) override { open_.erase(id); }
  api::Readiness Ready() const override { return {true, ""}; }
  std::string RenderMetrics() const override { return "baton_fake 1\n"; }
  std::string RenderFleet() const override { return R"({"workers":[]})"; }

  size_t open() const { return open_.size(); }

 private:
  static TokenOutput Token(const Request& request, int32_t index, bool last) {
    TokenOutput output;
    output.token = request.prompt[static_cast<size_t>(index) % request.prompt.size()];
    output.position = static_cast<int32_t>(request.prompt.size()) + index;
    if (last) output.finish = index % 2 == 0 ? FinishReason::kStop : FinishReason::kLength;
    if (request.sampling.logprobs >= 0) output.logprob = -0.25f;
    for (int32_t i = 0; i < request.sampling.logprobs; ++i) {
      output.top_logprobs.push_back({i, -static_cast<float>(i)});
    }
    return output;
  }

  std::map<std::string, std::shared_ptr<api::CompletionSink>> open_;
};

/// Takes the answer to one request.
class HttpWorld::OneExchange final : public http::Exchange {
 public:
  void Send(http::HttpResponse response) override {
    BATON_CHECK(!response_ && !streaming_) << "answered twice";
    BATON_CHECK(http::ReasonPhrase(response.status) != "Unknown") << response.status;
    if (response.content_type == "application/json") CheckJson(response.body);
    response_ = std::move(response);
  }
  void BeginStream(std::string content_type, std::vector<http::HttpHeader>) override {
    BATON_CHECK(!response_ && !streaming_ && content_type.starts_with("text/event-stream"));
    streaming_ = true;
  }
  void Write(std::string_view bytes) override {
    BATON_CHECK(streaming_ && !ended_);
    stream_ += bytes;
  }
  void EndStream(bool) override {
    BATON_CHECK(streaming_ && !ended_);
    ended_ = true;
  }
  void Attach(std::shared_ptr<http::ActiveCall> call) override { call_ = std::move(call); }
  std::shared_ptr<api::StrandLink> Link() override { return queue_; }
  void SetTimer(Duration, std::function<void()> run) override { timer_ = std::move(run); }

  /// Does what was posted, and lets the timer run out once.
  void Run() {
    queue_->Drain();
    if (auto timer = std::exchange(timer_, {})) timer();
    queue_->Drain();
  }
  int CheckAnswer() const {
    if (response_) return response_->status;
    if (streaming_) CheckEvents();
    return 200;
  }
  bool answered() const { return response_ || ended_; }

 private:
  struct Queue final : api::StrandLink {
    void Post(std::function<void()> work) override { waiting.push_back(std::move(work)); }
    void Drain() {
      for (; !waiting.empty(); waiting.pop_front()) waiting.front()();
    }
    std::deque<std::function<void()>> waiting;
  };

  void CheckEvents() const {
    BATON_CHECK(stream_.empty() || stream_.ends_with("\n\n")) << stream_;
    for (size_t at = 0; at < stream_.size();) {
      const size_t end = stream_.find("\n\n", at);
      const std::string event = stream_.substr(at, end - at);
      at = end + 2;
      if (event.starts_with(":") || event == "data: [DONE]") continue;
      const size_t data = event.starts_with("event: ") ? event.find('\n') + 1 : 0;
      BATON_CHECK(event.compare(data, 6, "data: ") == 0) << event;
      CheckJson(event.substr(data + 6));
    }
  }

  std::shared_ptr<Queue> queue_ = std::make_shared<Queue>();
  std::optional<http::HttpResponse> response_;
  bool streaming_ = false;
  bool ended_ = false;
  std::string stream_;
  std::function<void()> timer_;
  std::shared_ptr<http::ActiveCall> call_;
};

HttpWorld::HttpWorld() {
  const std::string folder = std::string(BATON_SOURCE_DIR) + "/configs/models/baton-tiny";
  auto tokenizer = text::Tokenizer::Load(folder);
  BATON_CHECK(tokenizer.ok()) << tokenizer.status();
  tokenizer_ = *std::move(tokenizer);
  auto chat_template = text::ChatTemplate::Load(folder);
  BATON_CHECK(chat_template.ok()) << chat_template.status();
  chat_template_ = std::make_unique<text::ChatTemplate>(*std::move(chat_template));
  api::ApiOptions options;
  options.model = "tiny";
  options.context_tokens = 512;
  options.version = "1";
  options.system_fingerprint = "fp";
  options.limits.running_requests = 2;
  http_options_.limits.header_bytes = 2048;
  http_options_.limits.body_bytes = 8192;
  backend_ = std::make_unique<Backend>();
  auto frontend = api::Frontend::Create(options, *backend_, *tokenizer_, chat_template_.get(),
                                        metrics_, clock_);
  BATON_CHECK(frontend.ok()) << frontend.status();
  frontend_ = *std::move(frontend);
  routes_ = std::make_unique<http::Routes>(*frontend_, http_options_);
}

HttpWorld::~HttpWorld() = default;

int HttpWorld::Answer(http::HttpRequest request) {
  const std::string path = request.path;
  int status = 0;
  {
    OneExchange exchange;
    if (request.request_id.empty()) request.request_id = frontend_->ids().Next();
    routes_->Handle(std::move(request), exchange);
    exchange.Run();
    status = exchange.CheckAnswer();
    BATON_CHECK(exchange.answered() || backend_->open() > 0) << "left without an answer";
  }
  // The client is gone: what still ran has been cancelled.
  BATON_CHECK(backend_->open() == 0) << "a request outlived its client";
  routes_->CountAnswer(path, status);
  return status;
}

}  // namespace baton::fuzz
