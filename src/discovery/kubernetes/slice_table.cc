#include "slice_table.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

namespace baton::discovery {
namespace {

/// By all slices that have it.
struct Pod {
  std::set<std::string> addresses;
  bool ready = false;
  bool terminating = false;

  const std::string& address() const {
    const auto four = std::find_if(addresses.begin(), addresses.end(), [](const auto& address) {
      return address.find(':') == std::string::npos;
    });
    return four == addresses.end() ? *addresses.begin() : *four;
  }
};

std::string WithPort(const std::string& address, int32_t port) {
  const bool six = address.find(':') != std::string::npos;
  return (six ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

std::string PortNames(const EndpointSlice& slice) {
  std::string names;
  for (const SlicePort& port : slice.ports) {
    names +=
        (names.empty() ? "" : ", ") + (port.name.empty() ? std::to_string(port.port) : port.name);
  }
  return names.empty() ? "none" : names;
}

}  // namespace

void SliceTable::Replace(std::vector<EndpointSlice> slices) {
  slices_.clear();
  for (EndpointSlice& slice : slices) Put(std::move(slice));
}

void SliceTable::Put(EndpointSlice slice) {
  const std::string name = slice.name;
  slices_[name] = std::move(slice);
}

Result<int32_t> SliceTable::PortOf(const EndpointSlice& slice) const {
  const auto service = std::find_if(services_.begin(), services_.end(),
                                    [&](const auto& one) { return one.name == slice.service; });
  if (service == services_.end()) return NotFound("nobody asked for " + slice.service);
  const std::string& wanted = service->port;
  int32_t number = 0;
  const auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), number);
  if (error == std::errc() && end == wanted.data() + wanted.size()) return number;
  if (wanted.empty() && slice.ports.size() == 1) return slice.ports.front().port;
  for (const SlicePort& port : slice.ports) {
    if (!wanted.empty() && port.name == wanted) return port.port;
  }
  return FailedPrecondition(
      "the Service " + slice.service +
      (wanted.empty() ? " has not one port but " : " has no port '" + wanted + "' but ") +
      PortNames(slice) + "; name the workers' in router.discovery.services as " + slice.service +
      ":port");
}

EndpointView SliceTable::View() const {
  EndpointView view;
  std::map<std::pair<std::string, int32_t>, Pod> pods;
  for (const auto& [name, slice] : slices_) {
    if (slice.endpoints.empty()) continue;
    const Result<int32_t> port = PortOf(slice);
    if (!port.ok()) {
      if (port.status().code() != StatusCode::kNotFound) view.problem = port.status();
      continue;
    }
    for (const Endpoint& endpoint : slice.endpoints) {
      Pod& pod = pods[{endpoint.uid.empty() ? endpoint.address : endpoint.uid, *port}];
      pod.addresses.insert(endpoint.address);
      pod.ready |= endpoint.ready;
      pod.terminating |= endpoint.terminating;
    }
  }
  std::set<std::string> ready;
  std::set<std::string> withdrawn;
  for (const auto& [key, pod] : pods) {
    const bool serves = pod.ready && !pod.terminating;
    (serves ? ready : withdrawn).insert(WithPort(pod.address(), key.second));
  }
  view.ready.assign(ready.begin(), ready.end());
  // A pod that came after another at its address.
  std::set_difference(withdrawn.begin(), withdrawn.end(), ready.begin(), ready.end(),
                      std::back_inserter(view.withdrawn));
  return view;
}

}  // namespace baton::discovery
