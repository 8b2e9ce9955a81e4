#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "baton/model/model.h"
#include "baton/model/step_runner.h"
#include "baton/nodes/connect.h"
#include "baton/worker/worker.h"

namespace baton::worker {

/// What the nodes of a worker tell each other, but for what is their transports': kinds of frames.
enum class NodeMessage : uint32_t {
  kJoin = 1,  ///< A follower, on each of its links first.
  kWelcome,   ///< The leader, once all are there.
  kRefuse,    ///< The leader: why.
  kEnd,       ///< The leader ends in good order.
  kDrain,     ///< A follower was told to end: the leader should drain, and end.
};

/// What one node must have in common with the leader, by name.
using Agreement = std::vector<std::pair<std::string, std::string>>;
Agreement AgreementOf(const WorkerOptions& options, const model::Model& model,
                      const model::StepLimits& limits);
/// Fails with FailedPrecondition, naming the first that differs and both values.
Status CheckAgreement(const Agreement& leader, const Agreement& follower);

/// The three links between the leader and a follower.
struct NodeLinks {
  std::shared_ptr<nodes::Link> control;
  std::shared_ptr<nodes::Link> steps;
  std::shared_ptr<nodes::Link> sums;

  bool complete() const { return control && steps && sums; }
  void Shutdown() const {
    for (const auto& link : {control, steps, sums}) link->Shutdown();
  }
};

/// What a follower says of itself.
struct FollowerHello {
  int32_t node = 0;
  Agreement agreement;
  /// Of its own transport.
  std::string transport_address;
  uint32_t regions = 0;
  /// Of each.
  uint64_t region_bytes = 0;
};

struct JoinedFollower {
  NodeLinks links;
  FollowerHello hello;
};

/// Where a leader's followers come to. *Threads*: lives on one.
class FollowerDoor {
 public:
  /// Fails with Unavailable when the address cannot be bound.
  static Result<std::unique_ptr<FollowerDoor>> Open(const std::string& address);

  /// Lets in all followers that the options name, by node; who differs from `ours` is refused and
  /// may come again. Fails with Cancelled at `stop`.
  Result<std::vector<JoinedFollower>> GatherAndWait(const WorkerOptions& options,
                                                    const Agreement& ours, Clock& clock,
                                                    const std::stop_token& stop);
  const std::string& address() const { return listener_->address(); }

 private:
  explicit FollowerDoor(std::unique_ptr<nodes::Listener> listener)
      : listener_(std::move(listener)) {}

  const std::unique_ptr<nodes::Listener> listener_;
};

/// Tells all that they are all there, and what their group is made with.
Status Welcome(const std::vector<JoinedFollower>& followers, const std::string& group_ids);

struct JoinedLeader {
  NodeLinks links;
  std::string group_ids;
};

/// Dials the leader until it is there, and waits until it has all. Fails with FailedPrecondition
/// where it refuses, with Unavailable when it is lost, and with Cancelled at `stop`.
Result<JoinedLeader> JoinLeaderAndWait(const std::string& leader, const FollowerHello& hello,
                                       Clock& clock, const std::stop_token& stop);

}  // namespace baton::worker
