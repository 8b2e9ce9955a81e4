#pragma once

#include <map>
#include <string>
#include <vector>

#include "baton/config/config.h"
#include "endpoint_slice.h"

namespace baton::discovery {

/// What all slices together say of addresses, "10.0.0.7:7000" each.
struct EndpointView {
  /// Of pods that are ready. Sorted.
  std::vector<std::string> ready;
  /// Of pods that are not, or end. Sorted.
  std::vector<std::string> withdrawn;
  /// Why some endpoints could not be told.
  Status problem;
};

/// All slices of some Services, of which each has several.
class SliceTable {
 public:
  explicit SliceTable(std::vector<config::ServiceName> services) : services_(std::move(services)) {}

  void Replace(std::vector<EndpointSlice> slices);
  void Put(EndpointSlice slice);
  void Remove(const std::string& name) { slices_.erase(name); }

  /// A pod that moves from slice to slice may be in two of them, of which one is older: it ends if
  /// any says so, as that is never taken back, and is else ready if any says so. One that has an
  /// address of each family is at that of IPv4.
  EndpointView View() const;

 private:
  /// Fails with FailedPrecondition where that cannot be told.
  Result<int32_t> PortOf(const EndpointSlice& slice) const;

  const std::vector<config::ServiceName> services_;
  std::map<std::string, EndpointSlice> slices_;
};

}  // namespace baton::discovery
