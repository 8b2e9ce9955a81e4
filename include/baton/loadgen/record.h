#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "baton/base/clock.h"

namespace baton::loadgen {

enum class Outcome : uint8_t {
  /// The whole answer came.
  kDone,
  kFailed,
  /// Ended by us, when the load was stopped.
  kCancelled,
};

/// What became of one request. Times count from the start of the load.
struct Record {
  int64_t index = 0;
  /// When it was to be sent, and when it was. Whatever holds up the generator lies between, so
  /// that times from `due` leave nothing out.
  Duration due{};
  Duration sent{};
  /// When each piece of text came.
  std::vector<Duration> pieces;
  Duration end{};
  int32_t planned_prompt_tokens = 0;
  int32_t asked_output_tokens = 0;
  /// As the server counted them; without its usage, what was planned and the pieces.
  int32_t prompt_tokens = 0;
  int32_t output_tokens = 0;
  bool usage = false;
  Outcome outcome = Outcome::kDone;
  /// Of kFailed: a kind for counting, e.g. "http 429", and the message.
  std::string error;
  std::string message;

  bool done() const { return outcome == Outcome::kDone; }
  /// REQUIRES: there are pieces.
  Duration ttft() const { return pieces.front() - due; }
  Duration ttft_from_sent() const { return pieces.front() - sent; }
  /// Mean time per output token after the first; nothing for a single one.
  std::optional<Duration> tpot() const {
    if (output_tokens < 2 || pieces.empty()) return std::nullopt;
    return (pieces.back() - pieces.front()) / (output_tokens - 1);
  }
};

}  // namespace baton::loadgen
