#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "baton/base/mailbox.h"
#include "baton/base/random.h"
#include "baton/transport/loopback.h"

namespace baton::transport {

/// One endpoint as the network sees it.
struct LoopbackNode {
  std::string name;
  bool alive = true;
  /// Its regions.
  std::vector<std::vector<std::byte>> memory;
  /// Nodes that it is connected to.
  std::set<uint64_t> connected;
  /// Messages on their way to it, by sender.
  std::map<uint64_t, std::deque<std::string>> inbox;
  /// Messages that come again with the next connection, by sender.
  std::map<uint64_t, std::deque<std::string>> stale;
  /// A token per reason to wake up; one is enough.
  Mailbox<int> wakeups{1};

  void Wake() { (void)wakeups.TrySend(0); }
  std::vector<uint64_t> RegionBytes() const {
    std::vector<uint64_t> bytes;
    for (const auto& region : memory) bytes.push_back(region.size());
    return bytes;
  }
};

/// What the endpoints of a network share. *Invariants*: nodes are never removed, so that a node's
/// number is never reused and a late put of a test hits memory that still exists.
class LoopbackNetwork::State {
 public:
  explicit State(const LoopbackOptions& given) : options(given), random(given.seed) {}

  /// REQUIRES: the lock, as for all members below.
  LoopbackNode& node(uint64_t number) { return nodes.at(number); }
  bool Reaches(uint64_t from, uint64_t to) {
    return node(from).alive && node(to).alive && !severed.contains(std::minmax(from, to));
  }
  bool Delayed() { return options.delay > 0 && random.Uniform() < options.delay; }
  /// Maybe damages what has just been copied.
  void MaybeFlip(std::byte* bytes, uint64_t count) {
    if (options.flip <= 0 || random.Uniform() >= options.flip) return;
    bytes[random.Below(count)] ^= std::byte{1} << static_cast<int>(random.Below(8));
  }
  bool Stale() { return options.stale > 0 && random.Uniform() < options.stale; }
  uint64_t Find(const std::string& name) {
    for (auto& [number, node] : nodes) {
      if (node.alive && node.name == name) return number;
    }
    return 0;
  }

  const LoopbackOptions options;
  std::function<void(const LoopbackWrite&)> on_write;
  std::mutex mutex;
  Random random;
  std::map<uint64_t, LoopbackNode> nodes;
  std::set<std::pair<uint64_t, uint64_t>> severed;
};

}  // namespace baton::transport
