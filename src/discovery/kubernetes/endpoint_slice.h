#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "baton/base/status.h"

namespace baton::discovery {

/// One address of a slice, and what is said of the pod behind it.
struct Endpoint {
  std::string address;
  /// Of the pod; empty: it is none.
  std::string uid;
  bool ready = true;
  bool terminating = false;
};

struct SlicePort {
  std::string name;
  int32_t port = 0;
};

/// A part of a Service's endpoints, as discovery.k8s.io/v1 has it.
struct EndpointSlice {
  std::string name;
  std::string service;
  std::vector<Endpoint> endpoints;
  /// Those of TCP.
  std::vector<SlicePort> ports;
};

/// A part of a list.
struct SlicePage {
  std::vector<EndpointSlice> slices;
  std::string resource_version;
  /// What to ask for the next with; empty: this is the last.
  std::string next;
};

/// A line of a watch.
struct SliceEvent {
  enum class Kind {
    kPut,
    kRemove,
    /// Nothing but a later version.
    kBookmark,
    /// The version that was watched from is too old.
    kGone,
    kError,
  };
  Kind kind = Kind::kBookmark;
  EndpointSlice slice;
  std::string resource_version;
  /// With kGone and kError.
  std::string problem;
};

// All fail with InvalidArgument for what is none.
Result<SlicePage> ParseSlicePage(std::string_view text);
Result<SliceEvent> ParseSliceEvent(std::string_view line);

/// What a body says that came with an error; its beginning where it is no Status of the API.
std::string ErrorMessage(std::string_view body);

}  // namespace baton::discovery
