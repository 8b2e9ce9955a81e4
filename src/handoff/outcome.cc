#include "baton/handoff/outcome.h"

#include "failure_names.h"

namespace baton::handoff {
namespace {

constexpr std::string_view kFailureNames[kFailures] = {"refused",    "prefill",   "transfer",
                                                       "bad_commit", "checksum",  "lease_expired",
                                                       "deadline",   "peer_lost", "cancelled"};

constexpr std::string_view kIgnoredNames[kIgnored] = {
    "malformed",       "version",   "unknown_peer", "wrong_epoch",
    "unknown_handoff", "duplicate", "out_of_order"};

}  // namespace

std::string_view FailureName(Failure failure) {
  return kFailureNames[static_cast<size_t>(failure)];
}

std::string_view IgnoredName(Ignored reason) { return kIgnoredNames[static_cast<size_t>(reason)]; }

Failure FailureNamed(std::string_view name) {
  for (size_t i = 0; i < kFailures; ++i) {
    if (kFailureNames[i] == name) return static_cast<Failure>(i);
  }
  return Failure::kPrefill;
}

}  // namespace baton::handoff
