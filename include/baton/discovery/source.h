#pragma once

#include <string>
#include <vector>

#include "baton/base/status.h"

namespace baton::discovery {

/// Where a worker may be.
struct Place {
  /// Empty: whatever the worker there calls itself.
  std::string name;
  /// "host:port".
  std::string address;

  auto operator<=>(const Place&) const = default;
};

/// Hears what a source finds, on whatever thread the source has.
class Listener {
 public:
  virtual ~Listener() = default;
  /// All places from now on.
  virtual void OnPlaces(std::vector<Place> places) = 0;
  /// The source cannot look at present, so that what it found last stays; OkStatus(): it can again.
  virtual void OnTrouble(Status trouble) = 0;
};

/// Finds workers, again and again. *Threads*: has one of its own from Start() on.
class Source {
 public:
  /// Calls the listener no more once it returns.
  virtual ~Source() = default;
  /// REQUIRES: called once; `listener` outlives this.
  virtual void Start(Listener& listener) = 0;
  /// For people, e.g. "the file /etc/baton/workers".
  virtual std::string name() const = 0;
};

}  // namespace baton::discovery
