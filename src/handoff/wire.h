#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "baton/base/ids.h"
#include "baton/handoff/outcome.h"
#include "baton/handoff/worker_description.h"
#include "baton/request/request.h"
#include "baton/telemetry/trace.h"

/// The messages of handoff.proto as plain values, and their frames.
namespace baton::handoff {

enum class Kind : uint8_t {
  kOffer = 1,
  kRefuse = 2,
  kProgress = 3,
  kCommit = 4,
  kAbortByDecode = 5,
  kAbortByPrefill = 6,
  kAbortAck = 7,
};

struct Envelope {
  Epoch from;
  Epoch to;
  uint64_t connection = 0;
  HandoffId handoff{};
};

struct Offer {
  Request request;
  std::vector<BlockId> blocks;
  int32_t cached_tokens = 0;
  Duration lease{};
  bool checksums = false;
};

struct Refuse {
  Status status;
};

struct Progress {
  int32_t tokens = 0;
};

struct Commit {
  int32_t blocks = 0;
  int32_t prompt_tokens = 0;
  TokenOutput first;
  std::vector<uint32_t> checksums;
  Stages stages;
  TransferFigures transfer;
  std::optional<telemetry::ProcessTrace> trace;
};

struct Abort {
  bool by_prefill = false;
  Status status;
  /// By the prefill side only.
  Failure failure = Failure::kCancelled;
};

struct AbortAck {};

struct Message {
  Envelope envelope;
  std::variant<Offer, Refuse, Progress, Commit, Abort, AbortAck> body;
};

/// A message, or why the bytes are none.
using Decoded = std::variant<Message, Ignored>;

std::string Encode(const Message& message);
/// Never reads or allocates more than in proportion to `bytes`.
Decoded Decode(std::span<const std::byte> bytes);

}  // namespace baton::handoff
