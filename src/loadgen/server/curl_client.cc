#include <array>
#include <ctime>
#include <unordered_map>

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "baton/base/check.h"
#include "baton/loadgen/stream_client.h"
#include "curl_library.h"

namespace baton::loadgen {
namespace {

constexpr long kConnectTimeoutMs = 10'000;
/// Of a call's own buffer: events are small, and calls are many.
constexpr long kReceiveBytes = 4 << 10;
constexpr long kKeptConnections = 32 << 10;
/// Read at once from epoll.
constexpr int kEvents = 256;

struct Call {
  const CurlLibrary& curl;
  CURL* easy = nullptr;
  CallHandler* handler = nullptr;
  std::string body;
  std::array<char, CURL_ERROR_SIZE> error{};
};

size_t OnBody(char* bytes, size_t, size_t count, void* context) {
  auto* call = static_cast<Call*>(context);
  long status = 0;
  call->curl.easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
  call->handler->OnBytes(static_cast<int>(status), {bytes, count});
  return count;
}

const char* KindOf(CURLcode code) {
  switch (code) {
    case CURLE_OK: return "";
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT: return "connect";
    case CURLE_OPERATION_TIMEDOUT: return "timeout";
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_PEER_FAILED_VERIFICATION: return "tls";
    default: return "cut off";
  }
}

CallEnd EndOf(const Call& call, CURLcode code) {
  long status = 0;
  call.curl.easy_getinfo(call.easy, CURLINFO_RESPONSE_CODE, &status);
  CallEnd end{.http_status = static_cast<int>(status), .error = KindOf(code)};
  if (code != CURLE_OK) {
    end.message = call.error[0] != '\0' ? call.error.data() : call.curl.easy_strerror(code);
  }
  return end;
}

/// As many sockets as the host allows, of which each running call has one.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// libcurl's sockets in an epoll of ours, with a timer for libcurl and one for our waits.
class CurlClient final : public StreamClient {
 public:
  CurlClient(const CurlLibrary& curl, std::string base, const ServerAddress& address)
      : curl_(curl), base_(std::move(base)), address_(address) {
    multi_ = curl_.multi_init();
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    BATON_CHECK(multi_ != nullptr && epoll_ >= 0);
    curl_timer_ = AddTimer();
    wait_timer_ = AddTimer();
    curl_.multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlClient::OnSocket);
    curl_.multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_.multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlClient::OnTimer);
    curl_.multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    curl_.multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kKeptConnections);
    for (const std::string& header : Headers()) {
      headers_ = curl_.slist_append(headers_, header.c_str());
    }
  }

  ~CurlClient() override {
    while (!calls_.empty()) Cancel(*calls_.begin()->first);
    for (CURL* easy : spare_) curl_.easy_cleanup(easy);
    curl_.multi_cleanup(multi_);
    curl_.slist_free_all(headers_);
    close(curl_timer_);
    close(wait_timer_);
    close(epoll_);
  }

  void Start(HttpCall asked, CallHandler& handler) override {
    auto owned = std::unique_ptr<Call>(new Call{.curl = curl_});
    Call& call = *owned;
    call.handler = &handler;
    call.body = std::move(asked.body);
    call.easy = TakeEasy();
    BATON_CHECK(calls_.emplace(&handler, std::move(owned)).second);
    SetUp(call, asked);
    BATON_CHECK(curl_.multi_add_handle(multi_, call.easy) == CURLM_OK);
    // Connects and sends now rather than at the next wait.
    Act(CURL_SOCKET_TIMEOUT, 0);
  }

  void Cancel(CallHandler& handler) override {
    const auto found = calls_.find(&handler);
    BATON_CHECK(found != calls_.end());
    Release(*found->second);
    calls_.erase(found);
  }

  void Wait(Duration at_most) override {
    // What ended while it was started is news enough.
    Arm(wait_timer_, TellEnds() ? Duration::zero() : at_most);
    std::array<epoll_event, kEvents> events;
    const int count = epoll_wait(epoll_, events.data(), kEvents, -1);
    bool timeout = false;
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      if (event.data.fd == curl_timer_) {
        timeout = true;
      } else if (event.data.fd != wait_timer_) {
        Act(event.data.fd, ActionOf(event.events));
      }
    }
    if (timeout) {
      Disarm(curl_timer_);
      Act(CURL_SOCKET_TIMEOUT, 0);
    }
    TellEnds();
  }

  Duration CpuTime() const override {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + Duration(time.tv_nsec);
  }

 private:
  std::vector<std::string> Headers() const {
    // "Expect" alone takes back curl's question before large bodies, which costs a round trip.
    std::vector<std::string> headers = {"Content-Type: application/json",
                                        "Expect:", "User-Agent: baton-bench"};
    if (!address_.api_key.empty()) headers.push_back("Authorization: Bearer " + address_.api_key);
    headers.insert(headers.end(), address_.headers.begin(), address_.headers.end());
    return headers;
  }

  CURL* TakeEasy() {
    if (spare_.empty()) return curl_.easy_init();
    CURL* easy = spare_.back();
    spare_.pop_back();
    return easy;
  }

  void SetUp(Call& call, const HttpCall& asked) {
    CURL* easy = call.easy;
    curl_.easy_setopt(easy, CURLOPT_URL, (base_ + asked.path).c_str());
    curl_.easy_setopt(easy, CURLOPT_PRIVATE, &call);
    curl_.easy_setopt(easy, CURLOPT_ERRORBUFFER, call.error.data());
    curl_.easy_setopt(easy, CURLOPT_WRITEFUNCTION, &OnBody);
    curl_.easy_setopt(easy, CURLOPT_WRITEDATA, &call);
    curl_.easy_setopt(easy, CURLOPT_HTTPHEADER, headers_);
    if (!call.body.empty()) {
      curl_.easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(call.body.size()));
      curl_.easy_setopt(easy, CURLOPT_POSTFIELDS, call.body.data());
    }
    const auto timeout = std::chrono::ceil<std::chrono::milliseconds>(asked.timeout);
    curl_.easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
    curl_.easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
    curl_.easy_setopt(easy, CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
    curl_.easy_setopt(easy, CURLOPT_BUFFERSIZE, kReceiveBytes);
    curl_.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_.easy_setopt(easy, CURLOPT_PROXY, "");
    curl_.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    if (!address_.ca_file.empty()) {
      curl_.easy_setopt(easy, CURLOPT_CAINFO, address_.ca_file.c_str());
    }
    if (address_.insecure_tls) {
      curl_.easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
      curl_.easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
  }

  /// Takes the handle back; the connection stays with libcurl if its answer was whole.
  void Release(Call& call) {
    curl_.multi_remove_handle(multi_, call.easy);
    curl_.easy_reset(call.easy);
    spare_.push_back(call.easy);
  }

  /// Tells the handlers of the calls that ended; false when none did.
  bool TellEnds() {
    bool told = false;
    int left = 0;
    while (const CURLMsg* message = curl_.multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      char* context = nullptr;
      curl_.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &context);
      auto* call = reinterpret_cast<Call*>(context);
      const CallEnd end = EndOf(*call, message->data.result);
      CallHandler* handler = call->handler;
      Cancel(*handler);
      handler->OnEnd(end);
      told = true;
    }
    return told;
  }

  void Act(curl_socket_t socket, int action) {
    int running = 0;
    curl_.multi_socket_action(multi_, socket, action, &running);
  }

  static int ActionOf(uint32_t events) {
    int action = 0;
    if ((events & EPOLLIN) != 0) action |= CURL_CSELECT_IN;
    if ((events & EPOLLOUT) != 0) action |= CURL_CSELECT_OUT;
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) action |= CURL_CSELECT_ERR;
    return action;
  }

  int AddTimer() const {
    const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    BATON_CHECK(timer >= 0);
    epoll_event event{.events = EPOLLIN, .data = {.fd = timer}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, timer, &event);
    return timer;
  }

  static void Arm(int timer, Duration timeout) {
    // Zero would disarm.
    const Duration positive = std::max(timeout, Duration(1));
    const auto seconds = std::chrono::floor<std::chrono::seconds>(positive);
    itimerspec spec{};
    spec.it_value.tv_sec = seconds.count();
    spec.it_value.tv_nsec = (positive - seconds).count();
    timerfd_settime(timer, 0, &spec, nullptr);
  }

  static void Disarm(int timer) {
    const itimerspec never{};
    timerfd_settime(timer, 0, &never, nullptr);
  }

  static int OnSocket(CURL*, curl_socket_t socket, int what, void* context, void* known) {
    auto* client = static_cast<CurlClient*>(context);
    if (what == CURL_POLL_REMOVE) {
      epoll_ctl(client->epoll_, EPOLL_CTL_DEL, socket, nullptr);
      return 0;
    }
    epoll_event event{.events = 0, .data = {.fd = socket}};
    if (what != CURL_POLL_OUT) event.events |= EPOLLIN;
    if (what != CURL_POLL_IN) event.events |= EPOLLOUT;
    epoll_ctl(client->epoll_, known == nullptr ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, &event);
    client->curl_.multi_assign(client->multi_, socket, client);
    return 0;
  }

  static int OnTimer(CURLM*, long timeout_ms, void* context) {
    const int timer = static_cast<CurlClient*>(context)->curl_timer_;
    if (timeout_ms < 0) {
      Disarm(timer);
    } else {
      Arm(timer, std::chrono::milliseconds(timeout_ms));
    }
    return 0;
  }

  const CurlLibrary& curl_;
  const std::string base_;
  const ServerAddress address_;
  CURLM* multi_ = nullptr;
  curl_slist* headers_ = nullptr;
  int epoll_ = -1;
  int curl_timer_ = -1;
  int wait_timer_ = -1;
  std::unordered_map<CallHandler*, std::unique_ptr<Call>> calls_;
  std::vector<CURL*> spare_;
};

}  // namespace

Result<std::unique_ptr<StreamClient>> MakeCurlClient(const ServerAddress& address) {
  BATON_ASSIGN_OR_RETURN(std::string base, BaseUrl(address.url));
  BATON_ASSIGN_OR_RETURN(const CurlLibrary* curl, CurlLibrary::Load());
  RaiseDescriptorLimit();
  return std::unique_ptr<StreamClient>(new CurlClient(*curl, std::move(base), address));
}

}  // namespace baton::loadgen
