#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "baton/kv/prefix_journal.h"

namespace baton::router {

/// Which prefixes the workers hold, as they tell it. Bounded: of a worker that holds more than
/// `most` nothing is known.
/// *Threads*: lives on the router's thread.
class PrefixView {
 public:
  explicit PrefixView(size_t most = size_t{1} << 20) : most_(most) {}

  /// A number for a worker of which nothing is known yet; Remove() frees it for another.
  size_t Add();
  void Remove(size_t worker);
  /// After an update that does not follow the one before, nothing is known until the next reset.
  void Apply(size_t worker, const kv::PrefixUpdate& update);

  /// By worker: how many of the keys, which are those of longer and longer prefixes, it holds from
  /// the first on.
  std::vector<size_t> Match(std::span<const kv::PrefixKey> keys) const;
  /// Prefixes that the worker holds.
  size_t held(size_t worker) const { return workers_[worker].held; }

 private:
  struct Worker {
    bool used = false;
    /// Of the last update; 0: nothing is known.
    uint64_t last = 0;
    size_t held = 0;
  };
  /// Of 64 workers: which of them hold a prefix.
  using Holders = std::unordered_map<kv::PrefixKey, uint64_t>;

  void Forget(size_t worker);

  const size_t most_;
  std::vector<Worker> workers_;
  std::vector<Holders> holders_;
};

}  // namespace baton::router
