#include "known_endpoints.h"

#include <algorithm>

namespace baton::discovery {
namespace {

bool Has(const std::vector<std::string>& sorted, const std::string& address) {
  return std::binary_search(sorted.begin(), sorted.end(), address);
}

}  // namespace

void KnownEndpoints::Learn(const EndpointView& view, TimePoint now) {
  std::erase_if(addresses_, [&](const auto& known) { return Has(view.withdrawn, known.first); });
  for (auto& [address, absent_since] : addresses_) {
    if (!absent_since) absent_since = now;
  }
  for (const std::string& address : view.ready) addresses_[address].reset();
}

std::vector<Place> KnownEndpoints::Places(TimePoint now) {
  std::erase_if(addresses_,
                [now](const auto& known) { return known.second && now - *known.second >= kMove; });
  std::vector<Place> places;
  for (const auto& [address, absent_since] : addresses_)
    places.push_back({.name = {}, .address = address});
  return places;
}

TimePoint KnownEndpoints::next() const {
  TimePoint next = TimePoint::max();
  for (const auto& [address, absent_since] : addresses_) {
    if (absent_since) next = std::min(next, *absent_since + kMove);
  }
  return next;
}

}  // namespace baton::discovery
