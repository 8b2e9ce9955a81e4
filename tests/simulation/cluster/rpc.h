#pragma once

#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/random.h"
#include "baton/rpc/client.h"
#include "baton/rpc/server.h"

namespace baton::simulation {

/// One incarnation of a process of the cluster; never reused. 0 is nobody.
enum class ProcessId : int {};
inline constexpr ProcessId kNobody{0};

struct RpcOptions {
  /// Most messages take up to `latency`, one in twenty up to twenty times as long.
  Duration latency = std::chrono::milliseconds(1);
  /// Unread messages at which a stream counts as read too slowly.
  size_t slow_reader = 16384;
};

/// The calls between the processes of a cluster, as gRPC would carry them, on one thread: messages
/// of one stream arrive in order, those of different ones in any; connections end when a process
/// does, or by keep-alive when a link or a process is silent for long. Seeded: what happens depends
/// on the calls made and on the clock alone.
class SimulatedRpc {
 public:
  /// `clock` and `random` outlive this.
  SimulatedRpc(const RpcOptions& options, Clock& clock, Random& random)
      : options_(options), clock_(clock), random_(random) {}
  ~SimulatedRpc();

  /// A process starts on `host`.
  ProcessId Start(const std::string& host);
  /// It listens on its host's name. `handler` outlives the process or StopServing().
  void Serve(ProcessId process, rpc::WorkerHandler& handler, Duration status_interval);
  /// Ends its calls like a server that shuts down: no handler is called afterwards.
  void StopServing(ProcessId process);
  /// It is gone without a word: its callbacks are never called again; the other ends notice soon.
  void Kill(ProcessId process);
  /// It does nothing until thawed; what comes for it waits.
  void Freeze(ProcessId process);
  void Thaw(ProcessId process);
  /// Nothing passes between two hosts; what was sent waits.
  void Cut(const std::string& a, const std::string& b);
  void Heal(const std::string& a, const std::string& b);
  void HealAll() { cuts_.clear(); }
  /// No stream is read too slowly any more.
  void ReadAtOnce() { options_.slow_reader = std::numeric_limits<size_t>::max(); }
  /// A random connection breaks, and with it all of its calls.
  void ResetSome();

  std::unique_ptr<rpc::WorkerClient> Dial(ProcessId from, const std::string& host);

  /// Lets one message or timer that is due arrive. False when none is.
  bool DeliverOne();
  /// Calls that are not over at both ends.
  size_t calls() const { return calls_.size(); }

  struct Call;
  class Client;
  class Stream;

 private:
  friend class Client;
  friend class Stream;
  using CallPtr = std::shared_ptr<Call>;

  struct Process {
    std::string host;
    bool alive = true;
    bool frozen = false;
    TimePoint frozen_since{};
  };
  struct Server {
    ProcessId process{};
    rpc::WorkerHandler* handler = nullptr;
    Duration status_interval{};
  };

  CallPtr Open(ProcessId client, const std::string& host, int connection);
  /// `arrive` runs at the server, unless the call is refused.
  void Arrive(const CallPtr& call, std::function<void(rpc::WorkerHandler&)> arrive);
  void SendToClient(const CallPtr& call, std::function<void()> arrive);
  void SendAliveToServer(const CallPtr& call);
  /// The server's last word.
  void Finish(const CallPtr& call, const Status& status);
  void Cancel(const CallPtr& call);
  /// Sends the status now and at intervals.
  void SendStatus(const CallPtr& call, const Server& server,
                  std::function<void(rpc::WorkerStatus)> on_status);

  /// One end learns that the call is over: by itself (`local`), or when word from the other end
  /// arrives. At most `keep` messages that are on their way still come before.
  void BreakClient(const CallPtr& call, const Status& status, bool local, size_t keep);
  void BreakServer(const CallPtr& call, bool local, size_t keep);
  void KeepAlive(const CallPtr& call, TimePoint now);
  /// Since when `host` hears nothing from the other process.
  TimePoint SilentSince(const std::string& host, ProcessId other,
                        const std::string& other_host) const;
  size_t SomeOf(size_t count) { return random_.Below(count + 1); }
  std::vector<CallPtr> Calls() const;

  Process& At(ProcessId process) { return processes_.at(static_cast<size_t>(process)); }
  const Process& At(ProcessId process) const { return processes_.at(static_cast<size_t>(process)); }
  bool Runs(ProcessId process) const { return At(process).alive && !At(process).frozen; }
  bool IsCut(const std::string& a, const std::string& b) const {
    return cuts_.contains(std::minmax(a, b));
  }
  Duration Latency();

  RpcOptions options_;
  Clock& clock_;
  Random& random_;
  /// By number; the first is nobody.
  std::vector<Process> processes_{{.host = "", .alive = false}};
  std::map<std::string, Server> servers_;
  std::map<std::pair<std::string, std::string>, TimePoint> cuts_;
  std::map<uint64_t, CallPtr> calls_;
  uint64_t last_call_ = 0;
  int last_connection_ = 0;
  int frozen_ = 0;
};

}  // namespace baton::simulation
