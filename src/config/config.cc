#include "baton/config/config.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace baton::config {
namespace {

/// The number that `text` is, within [0, greatest].
std::optional<int32_t> ParseNumber(std::string_view text, int32_t greatest) {
  int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (value < 0 || value > greatest) return std::nullopt;
  return value;
}

/// Of names in Kubernetes: those of objects, and of ports.
constexpr size_t kMostLabelBytes = 63;
constexpr size_t kMostPortNameBytes = 15;

/// Lower-case letters, digits and, within, dashes.
bool IsLabel(std::string_view text, size_t most_bytes) {
  return !text.empty() && text.size() <= most_bytes && text.front() != '-' && text.back() != '-' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

}  // namespace

const WorkerGroup& Workers::group(Role role) const {
  switch (role) {
    case Role::kPrefill: return prefill;
    case Role::kDecode: return decode;
    case Role::kMixed: return mixed;
  }
  return mixed;
}

std::string Config::ModelName() const {
  if (!served_model_name.empty()) return served_model_name;
  std::filesystem::path path(model);
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

Result<std::vector<int32_t>> ParseCores(const std::string& text) {
  constexpr int32_t kMostCores = 4096;
  const Status error =
      InvalidArgument("'" + text + "' is not a list of ascending core numbers like 0-3,8");
  std::vector<int32_t> cores;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string_view part = rest.substr(0, comma);
    const size_t dash = part.find('-');
    const auto first = ParseNumber(part.substr(0, dash), kMostCores);
    const auto last =
        dash == std::string_view::npos ? first : ParseNumber(part.substr(dash + 1), kMostCores);
    if (!first || !last || *last < *first) return error;
    if (!cores.empty() && *first <= cores.back()) return error;
    for (int32_t core = *first; core <= *last; ++core) cores.push_back(core);
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
    if (rest.empty()) return error;
  }
  return cores;
}

Result<std::optional<int32_t>> ParseDevice(const std::string& text) {
  if (text == "cpu") return std::optional<int32_t>{};
  if (text == "cuda") return std::optional<int32_t>{0};
  constexpr std::string_view kPrefix = "cuda:";
  int32_t number = -1;
  if (text.starts_with(kPrefix)) {
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data() + kPrefix.size(), end, number);
    if (error == std::errc() && rest == end && number >= 0) return std::optional<int32_t>{number};
  }
  return InvalidArgument("'" + text + "' is no device; accepted: cpu, cuda, cuda:N");
}

bool IsLoopback(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  in_addr v4{};
  if (inet_pton(AF_INET, std::string(host).c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  return host == "localhost" || host == "::1";
}

Status CheckClientHost(const Router& router, std::string_view host) {
  if (IsLoopback(host) || !router.api_keys.empty() || router.insecure) return OkStatus();
  return InvalidArgument(
      std::string(host) +
      ", where others reach it, but nobody is asked for a key; name a file of keys in "
      "router.api_keys (`baton key` makes one), or set router.insecure: true (or --insecure)");
}

Status CheckWorkerHost(const Workers& workers, std::string_view host) {
  if (IsLoopback(host) || workers.insecure || !workers.tls_authority.empty()) return OkStatus();
  return InvalidArgument(
      "a worker on " + std::string(host) +
      " is reached from other hosts, and anybody there could take its place in the fleet; give "
      "it certificates (workers.tls_authority), or on a "
      "network that only its peers reach, set workers.insecure: true (or --insecure)");
}

Result<WorkerAddress> ParseWorkerAddress(const std::string& text) {
  const Status error = InvalidArgument(
      "'" + text + "' is not a worker; write name=host:port, e.g. p0=10.0.0.7:7000");
  const size_t equals = text.find('=');
  const size_t colon = text.rfind(':');
  if (equals == std::string::npos || colon == std::string::npos) return error;
  if (equals == 0 || colon <= equals + 1) return error;
  const auto port = ParseNumber(std::string_view(text).substr(colon + 1), 65535);
  if (!port || *port == 0) return error;
  return WorkerAddress{text.substr(0, equals), text.substr(equals + 1, colon - equals - 1), *port};
}

Status ParseDnsName(const std::string& text) {
  const bool service = text.starts_with('_') && text.find('.') != std::string::npos &&
                       text.find(':') == std::string::npos;
  if (service || ParseWorkerAddress("x=" + text).ok()) return OkStatus();
  return InvalidArgument("'" + text +
                         "' is no name to ask for; write host:port, or _service._tcp.domain for "
                         "an SRV record");
}

Result<ServiceName> ParseServiceName(const std::string& text) {
  const size_t colon = text.find(':');
  ServiceName service{.name = text.substr(0, colon), .port = {}};
  bool port_fits = true;
  if (colon != std::string::npos) {
    service.port = text.substr(colon + 1);
    const bool number = service.port.find_first_not_of("0123456789") == std::string::npos;
    port_fits = number ? ParseNumber(service.port, 65535).value_or(0) > 0
                       : IsLabel(service.port, kMostPortNameBytes);
  }
  if (port_fits && IsLabel(service.name, kMostLabelBytes)) return service;
  return InvalidArgument("'" + text +
                         "' is no Service; write service or service:port, e.g. baton-decode:grpc");
}

Result<HttpsServer> ParseHttpsServer(const std::string& text) {
  const Result<HttpUrl> url = ParseHttpUrl(text);
  if (url.ok() && url->tls && url->path == "/") return HttpsServer{url->host, url->port};
  return InvalidArgument("'" + text +
                         "' is no server; write https://host:port, e.g. https://10.96.0.1:443");
}

Result<HttpUrl> ParseHttpUrl(const std::string& text) {
  constexpr std::string_view kPlain = "http://";
  constexpr std::string_view kTls = "https://";
  const Status error = InvalidArgument(
      "'" + text + "' is no URL; write http://host:port, e.g. http://collector:4318");
  HttpUrl url{.tls = text.starts_with(kTls)};
  if (!url.tls && !text.starts_with(kPlain)) return error;
  const size_t begin = (url.tls ? kTls : kPlain).size();
  const size_t slash = std::min(text.find('/', begin), text.size());
  url.host = text.substr(begin, slash - begin);
  if (slash < text.size()) url.path = text.substr(slash);
  const size_t bracket = url.host.rfind(']');
  const size_t colon = url.host.find(':', bracket == std::string::npos ? 0 : bracket);
  std::optional<int32_t> port = url.tls ? 443 : 80;
  if (colon != std::string::npos) {
    port = ParseNumber(std::string_view(url.host).substr(colon + 1), 65535);
    url.host.resize(colon);
  }
  if (!port || *port == 0 || url.host.empty()) return error;
  url.port = *port;
  const auto sane = [](char c) { return '!' <= c && c <= '~' && c != '#'; };
  if (url.host.find_first_of("/?#@ ") != std::string::npos) return error;
  if (!std::all_of(url.path.begin(), url.path.end(), sane)) return error;
  std::string& host = url.host;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return url;
}

}  // namespace baton::config
