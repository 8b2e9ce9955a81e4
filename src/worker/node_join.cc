#include "node_join.h"

#include <algorithm>
#include <map>
#include <set>

#include "baton/base/byte_reader.h"
#include "baton/base/gate.h"
#include "baton/base/ids.h"
#include "baton/base/logging.h"

namespace baton::worker {
namespace {

/// Raised where nodes of an earlier build would misread it.
constexpr uint32_t kVersion = 1;
/// How often it is looked whether to stop.
constexpr Duration kLook = std::chrono::milliseconds(200);
/// How long whoever connects may take to say who it is.
constexpr Duration kIntroduction = std::chrono::seconds(5);
/// Between lines of the log about who is still missing.
constexpr Duration kRemind = std::chrono::seconds(10);

enum class Purpose : uint8_t { kControl, kSteps, kSums };

/// On each link first; only on the control's with a hello.
struct Introduction {
  uint32_t version = kVersion;
  Purpose purpose{};
  /// Drawn by a follower for one attempt to join.
  uint64_t attempt = 0;
  FollowerHello hello;
};

std::string Encode(const Introduction& introduction) {
  const FollowerHello& hello = introduction.hello;
  std::string out;
  AppendNumber(out, introduction.version);
  AppendNumber(out, static_cast<uint8_t>(introduction.purpose));
  AppendNumber(out, introduction.attempt);
  AppendNumber(out, hello.node);
  AppendText(out, hello.transport_address);
  AppendNumber(out, hello.regions);
  AppendNumber(out, hello.region_bytes);
  for (const auto& [name, value] : hello.agreement) {
    AppendText(out, name);
    AppendText(out, value);
  }
  return out;
}

Result<Introduction> Decode(const nodes::Frame& frame) {
  ByteReader reader{frame.body};
  Introduction introduction{.version = reader.Number<uint32_t>()};
  introduction.purpose = static_cast<Purpose>(reader.Number<uint8_t>());
  introduction.attempt = reader.Number<uint64_t>();
  FollowerHello& hello = introduction.hello;
  hello.node = reader.Number<int32_t>();
  hello.transport_address = reader.Text();
  hello.regions = reader.Number<uint32_t>();
  hello.region_bytes = reader.Number<uint64_t>();
  while (reader.ok && !reader.rest.empty()) {
    std::string name = reader.Text();
    hello.agreement.emplace_back(std::move(name), reader.Text());
  }
  if (frame.kind != static_cast<uint32_t>(NodeMessage::kJoin) || !reader.ok ||
      introduction.version != kVersion || introduction.purpose > Purpose::kSums) {
    return InvalidArgument("it is no node of this build");
  }
  return introduction;
}

std::string NameOf(int32_t node) { return "node " + std::to_string(node); }

/// Those of whom some links are there.
class Arrivals {
 public:
  Arrivals(const WorkerOptions& options, const Agreement& ours) : options_(options), ours_(ours) {}

  Status Take(std::shared_ptr<nodes::Link> link) {
    if (!link->AwaitReadable(kIntroduction)) return Unavailable("it says nothing");
    const Result<nodes::Frame> frame = link->Receive();
    if (!frame.ok()) return frame.status();
    BATON_ASSIGN_OR_RETURN(Introduction introduction, Decode(*frame));
    const int32_t node = introduction.hello.node;
    link->SetPeer(NameOf(node) + " (" + link->peer() + ")");
    if (introduction.purpose == Purpose::kControl) {
      if (Status fits = Check(introduction.hello); !fits.ok()) {
        (void)link->Send(static_cast<uint32_t>(NodeMessage::kRefuse), fits.message());
        return fits;
      }
    }
    Arrival& arrival = arrivals_[node];
    // One that was started again has new links.
    if (arrival.attempt != introduction.attempt) arrival = {.attempt = introduction.attempt};
    if (introduction.purpose == Purpose::kSums) arrival.follower.links.sums = std::move(link);
    if (introduction.purpose == Purpose::kSteps) arrival.follower.links.steps = std::move(link);
    if (introduction.purpose == Purpose::kControl) {
      arrival.follower.links.control = std::move(link);
      arrival.follower.hello = std::move(introduction.hello);
    }
    return OkStatus();
  }

  /// The nodes that are not there; empty: all are.
  std::string Missing() const {
    std::string missing;
    for (int32_t node = 1; node < options_.nodes; ++node) {
      const auto found = arrivals_.find(node);
      if (found != arrivals_.end() && found->second.follower.links.complete()) continue;
      missing += (missing.empty() ? "" : ", ") + NameOf(node);
    }
    return missing;
  }

  std::vector<JoinedFollower> All() {
    std::vector<JoinedFollower> all;
    for (int32_t node = 1; node < options_.nodes; ++node) {
      all.push_back(std::move(arrivals_[node].follower));
    }
    return all;
  }

 private:
  struct Arrival {
    uint64_t attempt = 0;
    JoinedFollower follower;
  };

  Status Check(const FollowerHello& hello) const {
    if (hello.node < 1 || hello.node >= options_.nodes) {
      return FailedPrecondition("this worker has " + std::to_string(options_.nodes) +
                                " nodes, and no " + NameOf(hello.node));
    }
    return CheckAgreement(ours_, hello.agreement).WithContext(NameOf(hello.node));
  }

  const WorkerOptions& options_;
  const Agreement& ours_;
  std::map<int32_t, Arrival> arrivals_;
};

/// A follower's three links, introduced.
Result<NodeLinks> DialAll(const std::string& leader, const FollowerHello& hello) {
  const uint64_t attempt = Epoch::Random().high;
  NodeLinks links;
  for (const auto& [purpose, link] :
       {std::pair{Purpose::kSums, &links.sums}, std::pair{Purpose::kSteps, &links.steps},
        std::pair{Purpose::kControl, &links.control}}) {
    BATON_ASSIGN_OR_RETURN(*link, nodes::Dial(leader));
    (*link)->SetPeer("node 0, the leader (" + leader + ")");
    Introduction introduction{.purpose = purpose, .attempt = attempt, .hello = {}};
    introduction.hello.node = hello.node;
    if (purpose == Purpose::kControl) introduction.hello = hello;
    BATON_RETURN_IF_ERROR(
        (*link)->Send(static_cast<uint32_t>(NodeMessage::kJoin), Encode(introduction)));
  }
  return links;
}

/// Says now and then what is waited for.
class Reminder {
 public:
  explicit Reminder(Clock& clock) : clock_(clock), next_(clock.Now() + kRemind) {}
  void Say(const std::string& what) {
    if (clock_.Now() < next_) return;
    next_ = clock_.Now() + kRemind;
    BATON_LOG(Info) << "waiting for " << what;
  }

 private:
  Clock& clock_;
  TimePoint next_;
};

}  // namespace

Agreement AgreementOf(const WorkerOptions& options, const model::Model& model,
                      const model::StepLimits& limits) {
  const kv::KvGeometry geometry = model.KvGeometry(options.block_tokens, options.kv_dtype);
  return {{"role", std::string(RoleName(options.role))},
          {"nodes", std::to_string(options.nodes)},
          {"tensor_parallel", std::to_string(options.tensor_parallel)},
          {"device", options.cuda ? "cuda" : "cpu"},
          {"model fingerprint", model.fingerprint()},
          {"bytes of a KV block", std::to_string(geometry.block_bytes())},
          {"engine.block_tokens", std::to_string(options.block_tokens)},
          {"kv_percent", std::to_string(options.kv_percent)},
          {"kv_memory", options.kv_percent > 0 ? "" : std::to_string(options.kv_bytes)},
          {"engine.step_tokens", std::to_string(limits.step_tokens)},
          {"engine.running_sequences", std::to_string(limits.sequences)},
          {"engine.context_tokens", std::to_string(limits.context_tokens)}};
}

Status CheckAgreement(const Agreement& leader, const Agreement& follower) {
  for (size_t i = 0; i < leader.size(); ++i) {
    const auto& [name, value] = leader[i];
    const std::string theirs =
        i < follower.size() && follower[i].first == name ? follower[i].second : "none";
    if (value == theirs) continue;
    return FailedPrecondition("its " + name + " is " + theirs + ", the leader's " + value +
                              "; all nodes of a worker need the same model and configuration");
  }
  return OkStatus();
}

Result<std::unique_ptr<FollowerDoor>> FollowerDoor::Open(const std::string& address) {
  BATON_ASSIGN_OR_RETURN(auto listener, nodes::Listener::Open(address));
  return std::unique_ptr<FollowerDoor>(new FollowerDoor(std::move(listener)));
}

Result<std::vector<JoinedFollower>> FollowerDoor::GatherAndWait(const WorkerOptions& options,
                                                                const Agreement& ours, Clock& clock,
                                                                const std::stop_token& stop) {
  Arrivals arrivals(options, ours);
  Reminder reminder(clock);
  while (!arrivals.Missing().empty()) {
    if (stop.stop_requested()) return Cancelled("ended before all nodes were there");
    reminder.Say(arrivals.Missing() + " at " + address());
    BATON_ASSIGN_OR_RETURN(std::shared_ptr<nodes::Link> link, listener_->Accept(kLook));
    if (link == nullptr) continue;
    const std::string from = link->peer();
    if (const Status taken = arrivals.Take(std::move(link)); !taken.ok()) {
      BATON_LOG(Warning) << "refused " << from << " as a node: " << taken.message();
    }
  }
  return arrivals.All();
}

Status Welcome(const std::vector<JoinedFollower>& followers, const std::string& group_ids) {
  for (const JoinedFollower& follower : followers) {
    BATON_RETURN_IF_ERROR(
        follower.links.control->Send(static_cast<uint32_t>(NodeMessage::kWelcome), group_ids));
  }
  return OkStatus();
}

Result<JoinedLeader> JoinLeaderAndWait(const std::string& leader, const FollowerHello& hello,
                                       Clock& clock, const std::stop_token& stop) {
  Reminder reminder(clock);
  Gate pause;
  const std::stop_callback on_stop(stop, [&] { pause.Open(); });
  Result<NodeLinks> links = Unavailable("not dialled");
  while (!(links = DialAll(leader, hello)).ok()) {
    if (links.status().code() == StatusCode::kInvalidArgument) return links.status();
    reminder.Say("the leader: " + links.status().message());
    if (pause.Wait(kLook)) return Cancelled("ended before the leader was there");
  }
  while (!links->control->AwaitReadable(kLook)) {
    if (stop.stop_requested()) return Cancelled("ended before all nodes were there");
  }
  BATON_ASSIGN_OR_RETURN(const nodes::Frame answer, links->control->Receive());
  if (answer.kind == static_cast<uint32_t>(NodeMessage::kWelcome)) {
    return JoinedLeader{*std::move(links), answer.body};
  }
  return FailedPrecondition("the leader refuses this node: " + answer.body);
}

}  // namespace baton::worker
