#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "baton/base/clock.h"
#include "baton/transport/transport.h"

namespace baton::handoff {

/// Why a hand-off ended without a commit: the `reason` of baton_handoff_failures_total.
enum class Failure : uint8_t {
  kRefused,       // the prefill side took no more or could not read the offer
  kPrefill,       // the prefill side's engine failed the sequence
  kTransfer,      // a put failed
  kBadCommit,     // the commit did not fit the offer
  kChecksum,      // the bytes that arrived were not the bytes that were sent
  kLeaseExpired,  // no progress was reported for a lease
  kDeadline,      // a stage took longer than its limit
  kPeerLost,
  kCancelled,  // by our own worker or by the peer's
};
inline constexpr size_t kFailures = 9;
/// "refused", "prefill", ..., "lease_expired", ...: metric label values.
std::string_view FailureName(Failure failure);

/// Why a message was dropped without effect.
enum class Ignored : uint8_t {
  kMalformed,  // not a message: truncated, over-long, damaged or with impossible fields
  kVersion,
  kUnknownPeer,
  kWrongEpoch,  // or of an earlier connection
  kUnknownHandoff,
  kDuplicate,
  kOutOfOrder,  // not valid in the hand-off's state
};
inline constexpr size_t kIgnored = 7;
std::string_view IgnoredName(Ignored reason);

/// Messages dropped since the start, by reason.
struct IgnoredCounts {
  std::array<int64_t, kIgnored> count{};
  int64_t& operator[](Ignored reason) { return count[static_cast<size_t>(reason)]; }
  int64_t operator[](Ignored reason) const { return count[static_cast<size_t>(reason)]; }
};

/// Where the time of a hand-off went: the `stage` of baton_handoff_seconds.
struct Stages {
  /// Prefill side: from the offer until the engine gave it blocks.
  Duration queued{};
  /// Prefill side: until all KV was computed and the first token was drawn.
  Duration prefill{};
  /// Prefill side: from then until the last put was flushed; what no computation hid.
  Duration transfer{};
  /// Decode side: what is left between sending the offer and accepting the commit.
  Duration commit{};
};

struct TransferFigures {
  int64_t bytes = 0;
  int64_t descriptors = 0;
  int64_t blocks = 0;
};

/// Which side a message is for, by its header alone; a worker of both roles asks this.
enum class Side : uint8_t { kNone, kPrefill, kDecode };
Side SideOf(std::span<const std::byte> message);

}  // namespace baton::handoff
