#include "baton/handoff/worker_description.h"

namespace baton::handoff {

Status CheckCompatible(const WorkerDescription& ours, const WorkerDescription& theirs) {
  if (ours.protocol_version != theirs.protocol_version) {
    return FailedPrecondition("protocol_version: ours is " + std::to_string(ours.protocol_version) +
                              ", " + theirs.name + " has " +
                              std::to_string(theirs.protocol_version));
  }
  if (ours.fingerprint != theirs.fingerprint) {
    return FailedPrecondition("model fingerprint: ours is " + ours.fingerprint + ", " +
                              theirs.name + " has " + theirs.fingerprint);
  }
  return kv::CheckCompatible(ours.geometry, theirs.geometry);
}

}  // namespace baton::handoff
