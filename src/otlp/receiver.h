#pragma once

#include <string>

#include "verdict.h"

namespace baton::otlp {

/// Whom batches are sent to. *Threads*: lives on one thread, but for Stop().
class Receiver {
 public:
  virtual ~Receiver() = default;
  /// Sends one batch; waits for the answer.
  virtual Answer Post(const std::string& batch) = 0;
  /// Ends a Post() under way, and all that follow, early. Of any thread.
  virtual void Stop() = 0;
  /// For people.
  virtual std::string name() const = 0;
};

}  // namespace baton::otlp
