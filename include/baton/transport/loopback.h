#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "baton/transport/transport.h"

namespace baton::transport {

struct LoopbackOptions {
  uint64_t seed = 0;
  /// Probability that Progress() stops before the next message or piece of a put. 0: no delays.
  double delay = 0;
  /// Puts are copied in pieces of at most this many bytes, so that faults hit them half-way.
  size_t piece_bytes = size_t{1} << 20;
  /// What every path claims to cost.
  std::optional<PathCost> cost;
  /// Probability that a piece of a put arrives with one bit flipped. 0: all arrive whole.
  double flip = 0;
  /// Whether an endpoint can prove that another has ended, as on one host.
  bool proof = true;
  /// Probability that a message comes once more when its receiver connects to its sender anew, as
  /// it may with a transport that cannot tell connections apart.
  double stale = 0;
};

/// A piece of a put on its way from one endpoint's region to another's.
struct LoopbackWrite {
  const std::string& from;
  const std::string& to;
  const Descriptor& piece;
};

/// Endpoints within one process that reach each other, for tests and simulation. With one thread
/// and one seed everything happens in the same order each time.
/// *Threads*: thread-safe; each endpoint lives on one thread. Has a mutex because a put writes into
/// the memory of another endpoint at once, as hardware does; a mailbox would hide such races.
class LoopbackNetwork {
 public:
  explicit LoopbackNetwork(const LoopbackOptions& options = {});
  ~LoopbackNetwork();

  /// `name` is unique in the network among endpoints that were not killed.
  std::unique_ptr<Transport> MakeEndpoint(const std::string& name);

  /// The process behind `name` is gone without a word: it receives and writes nothing more, and
  /// what others send it or put to it stays pending until they disconnect.
  void Kill(const std::string& name);
  /// Nothing passes between the two any more, and neither is told; ends when both disconnect.
  void Sever(const std::string& a, const std::string& b);

  /// Called before each piece is copied, so that a test can tell whether it may be. Must not call
  /// the network. Set before the first put.
  void OnWrite(std::function<void(const LoopbackWrite&)> check);

  class State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace baton::transport
