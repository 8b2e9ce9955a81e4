#include "baton/base/ip_network.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include <arpa/inet.h>

namespace baton {
namespace {

constexpr int kBits = 128;
/// What precedes an IPv4 address within an IPv6 one.
constexpr int kBitsBeforeV4 = 96;

std::optional<std::array<uint8_t, 16>> ParseAddress(const std::string& text) {
  std::array<uint8_t, 16> address{};
  if (inet_pton(AF_INET6, text.c_str(), address.data()) == 1) return address;
  address[10] = address[11] = 0xff;
  if (inet_pton(AF_INET, text.c_str(), address.data() + 12) == 1) return address;
  return std::nullopt;
}

bool Bit(const std::array<uint8_t, 16>& address, int i) {
  return (address[static_cast<size_t>(i / 8)] >> (7 - i % 8)) & 1;
}

Status NoNetwork(std::string_view text, const std::string& why) {
  return InvalidArgument("'" + std::string(text) + "' is not a network like 10.0.0.0/8: " + why);
}

}  // namespace

Result<IpNetwork> IpNetwork::Parse(std::string_view text) {
  const size_t slash = std::min(text.find('/'), text.size());
  const std::string host(text.substr(0, slash));
  const auto address = ParseAddress(host);
  if (!address) return NoNetwork(text, "'" + host + "' is not an IP address");
  IpNetwork network;
  network.address_ = *address;
  if (slash < text.size()) {
    const std::string_view digits = text.substr(slash + 1);
    const int before = host.find(':') == std::string::npos ? kBitsBeforeV4 : 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), network.bits_);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() ||
        network.bits_ < 0 || network.bits_ > kBits - before) {
      return NoNetwork(text,
                       "behind / stands a number from 0 to " + std::to_string(kBits - before));
    }
    network.bits_ += before;
  }
  for (int i = network.bits_; i < kBits; ++i) {
    if (Bit(network.address_, i)) return NoNetwork(text, "it has bits beyond its prefix");
  }
  return network;
}

bool IpNetwork::Contains(std::string_view address) const {
  const auto other = ParseAddress(std::string(address));
  if (!other) return false;
  for (int i = 0; i < bits_; ++i) {
    if (Bit(address_, i) != Bit(*other, i)) return false;
  }
  return true;
}

}  // namespace baton
