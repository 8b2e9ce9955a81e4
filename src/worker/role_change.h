#pragma once

#include <atomic>

#include "baton/base/clock.h"
#include "baton/base/role.h"
#include "baton/handoff/decode_side.h"
#include "baton/handoff/prefill_side.h"
#include "generate_service.h"
#include "peers.h"
#include "prefill_service.h"

namespace baton::worker {

/// A worker's role, and how it comes to another one: it says that it leaves the old one, finishes
/// what it has in that, ends its joins and only then takes the new one. Weights, KV and the prefix
/// cache stay, and what still runs by then goes on, since one engine serves all roles.
/// *Threads*: lives on the transport thread; role() and target() are thread-safe.
class RoleChange {
 public:
  struct Parts {
    GenerateService& generate;
    PrefillService& prefill;
    const handoff::PrefillSide& prefill_side;
    const handoff::DecodeSide& decode;
    Peers& peers;
  };

  RoleChange(Role role, Parts parts) : parts_(parts), role_(role), target_(role) {}

  /// The last role that was taken.
  Role role() const { return role_; }
  /// The role to come; role() while it stays.
  Role target() const { return target_; }
  bool under_way() const { return role() != target(); }

  /// Changes to `target` once nothing runs in the old role any more, or `patience` has passed for
  /// what it generates. Another target than the last one takes its place; role() calls it off.
  void Begin(Role target, Duration patience, TimePoint now);
  /// Takes the new role when that is due. True when it did.
  bool Tick(TimePoint now);

 private:
  bool Finished(TimePoint now) const;

  const Parts parts_;
  std::atomic<Role> role_;
  std::atomic<Role> target_;
  TimePoint deadline_{};
};

}  // namespace baton::worker
