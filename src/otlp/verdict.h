#pragma once

#include <cstdint>
#include <string>

#include "baton/base/clock.h"
#include "baton/base/status.h"

namespace baton::otlp {

/// What came of sending a batch once.
struct Answer {
  /// That it could not be sent, or got no whole answer; then the rest means nothing.
  Status status;
  int http_status = 0;
  std::string retry_after;
  std::string body;
};

/// What that means for the batch.
struct Verdict {
  enum class Kind { kTaken, kAgain, kRefused };
  Kind kind = Kind::kTaken;
  /// With kAgain, not before this has passed.
  Duration pause{};
  /// With kTaken, spans that the receiver dropped.
  int64_t rejected = 0;
  /// What went wrong, for people; may be there with kTaken.
  std::string message;
};

/// As https://opentelemetry.io/docs/specs/otlp/#otlphttp-response wants it.
Verdict Judge(const Answer& answer);

}  // namespace baton::otlp
