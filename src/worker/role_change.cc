#include "role_change.h"

#include <string>

#include "baton/base/logging.h"

namespace baton::worker {
namespace {

/// What a peer gets to end its join that was asked to: one of an earlier build does not know how.
constexpr Duration kGoodbye = std::chrono::seconds(10);

}  // namespace

void RoleChange::Begin(Role target, Duration patience, TimePoint now) {
  deadline_ = now + patience;
  if (target == target_) return;
  target_ = target;
  if (!under_way()) {
    BATON_LOG(Info) << "stays a " << RoleName(role()) << " worker";
    parts_.prefill.TakeOffers(role() != Role::kDecode);
    return;
  }
  BATON_LOG(Info) << "changes from " << RoleName(role()) << " to " << RoleName(target) << ": "
                  << parts_.generate.streams() << " requests and " << parts_.prefill.joins()
                  << " joins under way";
  parts_.prefill.TakeOffers(false);
}

/// Hand-offs end by their own deadlines at the latest, so that they need no other.
bool RoleChange::Finished(TimePoint now) const {
  if (role() == Role::kPrefill) {
    // Peers end their joins once they have nothing under way over them.
    if (parts_.prefill.joins() == 0) return true;
    const handoff::PrefillSideStats stats = parts_.prefill_side.Stats();
    return now >= deadline_ + kGoodbye &&
           stats.queued + stats.prefilling + stats.flushing + stats.aborting == 0;
  }
  const bool patient = now < deadline_;
  const handoff::DecodeSideStats stats = parts_.decode.Stats();
  return stats.offered + stats.aborting == 0 && (parts_.generate.streams() == 0 || !patient);
}

bool RoleChange::Tick(TimePoint now) {
  if (!under_way() || !Finished(now)) return false;
  parts_.peers.Set({});
  parts_.prefill.EndJoins("it prefills no more");
  role_ = target();
  parts_.prefill.TakeOffers(role() != Role::kDecode);
  BATON_LOG(Info) << "is a " << RoleName(role()) << " worker from now on; "
                  << parts_.generate.streams() << " requests go on";
  return true;
}

}  // namespace baton::worker
