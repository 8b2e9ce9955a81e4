#include "baton/outbound/resolver.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include <ares.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>

#include "baton/base/check.h"

namespace baton::outbound {
namespace {

constexpr int kTimeoutMs = 2000;
constexpr int kTries = 2;
/// How often it is looked whether to stop.
constexpr int kSliceMs = 100;
// Of DNS: the class of the internet, and the type of records that name services.
constexpr int kInternet = 1;
constexpr int kServiceRecord = 33;
constexpr Duration kLongest = std::chrono::hours(1);

Status ToStatus(const std::string& name, int code) {
  const std::string text = name + ": " + ares_strerror(code);
  return code == ARES_ENOTFOUND || code == ARES_ENODATA ? NotFound(text) : Unavailable(text);
}

std::string FormatAddress(const sockaddr& address, int port) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.sa_family == AF_INET6) {
    const auto& six = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(port);
  }
  const auto& four = reinterpret_cast<const sockaddr_in&>(address);
  inet_ntop(AF_INET, &four.sin_addr, text, sizeof text);
  return std::string(text) + ":" + std::to_string(port);
}

/// What a question waits for; the callback of each comes exactly once.
struct HostAnswer {
  std::optional<int> code;
  int port = 0;
  Addresses found;
};
struct ServiceAnswer {
  std::optional<int> code;
  /// Hosts and ports.
  std::vector<std::pair<std::string, int>> targets;
};

void OnHost(void* into, int code, int /*timeouts*/, ares_addrinfo* info) {
  auto& answer = *static_cast<HostAnswer*>(into);
  answer.found.time_to_live = kLongest;
  for (auto* node = info ? info->nodes : nullptr; node != nullptr; node = node->ai_next) {
    answer.found.addresses.push_back(FormatAddress(*node->ai_addr, answer.port));
    const Duration ttl = std::chrono::seconds(node->ai_ttl);
    answer.found.time_to_live = std::min(answer.found.time_to_live, ttl);
  }
  if (info != nullptr) ares_freeaddrinfo(info);
  answer.code = code;
}

void OnService(void* into, int code, int /*timeouts*/, unsigned char* bytes, int size) {
  auto& answer = *static_cast<ServiceAnswer*>(into);
  ares_srv_reply* replies = nullptr;
  if (code == ARES_SUCCESS) code = ares_parse_srv_reply(bytes, size, &replies);
  for (const auto* reply = replies; reply != nullptr; reply = reply->next) {
    answer.targets.emplace_back(reply->host, reply->port);
  }
  if (replies != nullptr) ares_free_data(replies);
  answer.code = code;
}

class AresResolver final : public Resolver {
 public:
  AresResolver(ares_channel channel, const std::atomic<bool>& stop)
      : channel_(channel), stop_(stop) {}
  ~AresResolver() override { ares_destroy(channel_); }

  Result<Addresses> Ask(const std::string& name) override {
    if (name.starts_with('_')) return AskService(name);
    const size_t colon = name.rfind(':');
    return AskHost(name.substr(0, colon), std::stoi(name.substr(colon + 1)));
  }

 private:
  Result<Addresses> AskHost(const std::string& host, int port) {
    HostAnswer answer{.port = port};
    ares_addrinfo_hints hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_flags = ARES_AI_NOSORT;
    ares_getaddrinfo(channel_, host.c_str(), nullptr, &hints, OnHost, &answer);
    Await(answer.code);
    if (*answer.code != ARES_SUCCESS) return ToStatus(host, *answer.code);
    if (answer.found.addresses.empty()) return ToStatus(host, ARES_ENODATA);
    return Sorted(std::move(answer.found));
  }

  Result<Addresses> AskService(const std::string& name) {
    ServiceAnswer answer;
    ares_search(channel_, name.c_str(), kInternet, kServiceRecord, OnService, &answer);
    Await(answer.code);
    if (*answer.code != ARES_SUCCESS) return ToStatus(name, *answer.code);
    // The record's own time to live is not told; the hosts' stands for it.
    Addresses all{.time_to_live = kLongest};
    for (const auto& [host, port] : answer.targets) {
      Result<Addresses> found = AskHost(host, port);
      // One host of a service that is gone already does not hide the others.
      if (!found.ok() && found.status().code() == StatusCode::kNotFound) continue;
      if (!found.ok()) return found.status();
      all.time_to_live = std::min(all.time_to_live, found->time_to_live);
      all.addresses.insert(all.addresses.end(), found->addresses.begin(), found->addresses.end());
    }
    if (all.addresses.empty()) return ToStatus(name, ARES_ENODATA);
    return Sorted(std::move(all));
  }

  static Addresses Sorted(Addresses found) {
    std::sort(found.addresses.begin(), found.addresses.end());
    const auto end = std::unique(found.addresses.begin(), found.addresses.end());
    found.addresses.erase(end, found.addresses.end());
    return found;
  }

  void Await(const std::optional<int>& code) {
    while (!code) {
      if (stop_) ares_cancel(channel_);
      ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
      const int bits = ares_getsock(channel_, sockets, ARES_GETSOCK_MAXNUM);
      std::vector<pollfd> fds;
      for (int i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
        short events = ARES_GETSOCK_READABLE(bits, i) ? POLLIN : 0;
        if (ARES_GETSOCK_WRITABLE(bits, i)) events = static_cast<short>(events | POLLOUT);
        if (events != 0) fds.push_back({.fd = sockets[i], .events = events, .revents = 0});
      }
      timeval most{.tv_sec = 0, .tv_usec = kSliceMs * 1000};
      timeval space{};
      const timeval* wait = ares_timeout(channel_, &most, &space);
      poll(fds.data(), fds.size(), static_cast<int>(wait->tv_sec * 1000 + wait->tv_usec / 1000));
      for (const pollfd& fd : fds) {
        ares_process_fd(channel_, fd.revents & ~POLLOUT ? fd.fd : ARES_SOCKET_BAD,
                        fd.revents & POLLOUT ? fd.fd : ARES_SOCKET_BAD);
      }
      ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // What timed out.
    }
  }

  const ares_channel channel_;
  const std::atomic<bool>& stop_;
};

}  // namespace

Result<std::unique_ptr<Resolver>> Resolver::Open(const std::string& server,
                                                 const std::atomic<bool>& stop) {
  static std::once_flag once;
  std::call_once(once, [] { BATON_CHECK(ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS); });
  ares_options options{};
  options.timeout = kTimeoutMs;
  options.tries = kTries;
  ares_channel channel = nullptr;
  int code = ares_init_options(&channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
  if (code != ARES_SUCCESS) return Internal(std::string("c-ares: ") + ares_strerror(code));
  auto resolver = std::make_unique<AresResolver>(channel, stop);
  if (!server.empty()) code = ares_set_servers_ports_csv(channel, server.c_str());
  if (code != ARES_SUCCESS) {
    return InvalidArgument("'" + server + "' is no DNS server; write address:port");
  }
  return std::unique_ptr<Resolver>(std::move(resolver));
}

}  // namespace baton::outbound
