#include "prefix_view.h"

#include <algorithm>
#include <bit>

namespace baton::router {
namespace {

constexpr size_t kTogether = 64;

uint64_t BitOf(size_t worker) { return uint64_t{1} << (worker % kTogether); }

}  // namespace

size_t PrefixView::Add() {
  const auto unused = std::find_if(workers_.begin(), workers_.end(),
                                   [](const Worker& worker) { return !worker.used; });
  const auto worker = static_cast<size_t>(unused - workers_.begin());
  if (unused == workers_.end()) workers_.emplace_back();
  workers_[worker].used = true;
  holders_.resize((workers_.size() + kTogether - 1) / kTogether);
  return worker;
}

void PrefixView::Remove(size_t worker) {
  Forget(worker);
  workers_[worker].used = false;
}

void PrefixView::Forget(size_t worker) {
  workers_[worker].last = 0;
  if (std::exchange(workers_[worker].held, 0) == 0) return;
  Holders& holders = holders_[worker / kTogether];
  for (auto it = holders.begin(); it != holders.end();) {
    it->second &= ~BitOf(worker);
    it = it->second == 0 ? holders.erase(it) : std::next(it);
  }
}

void PrefixView::Apply(size_t worker, const kv::PrefixUpdate& update) {
  Worker& known = workers_[worker];
  if (update.number == 0) return;
  if (update.reset) {
    Forget(worker);
  } else if (known.last == 0 || update.number != known.last + 1) {
    return Forget(worker);
  }
  known.last = update.number;
  Holders& holders = holders_[worker / kTogether];
  for (const kv::PrefixChange& change : update.changes) {
    if (change.stored) {
      uint64_t& mask = holders[change.key];
      known.held += (mask & BitOf(worker)) == 0 ? 1 : 0;
      mask |= BitOf(worker);
    } else if (const auto it = holders.find(change.key);
               it != holders.end() && (it->second & BitOf(worker)) != 0) {
      --known.held;
      it->second &= ~BitOf(worker);
      if (it->second == 0) holders.erase(it);
    }
    if (known.held > most_) return Forget(worker);
  }
}

std::vector<size_t> PrefixView::Match(std::span<const kv::PrefixKey> keys) const {
  std::vector<size_t> matched(workers_.size(), 0);
  for (size_t group = 0; group < holders_.size(); ++group) {
    const Holders& holders = holders_[group];
    const size_t first = group * kTogether;
    uint64_t all = ~uint64_t{0};
    const auto settle = [&](uint64_t workers, size_t length) {
      for (; workers != 0; workers &= workers - 1) {
        const size_t worker = first + static_cast<size_t>(std::countr_zero(workers));
        if (worker < matched.size()) matched[worker] = length;
      }
    };
    size_t length = 0;
    for (; length < keys.size() && all != 0; ++length) {
      const auto it = holders.find(keys[length]);
      const uint64_t still = it == holders.end() ? 0 : all & it->second;
      settle(all & ~still, length);
      all = still;
    }
    settle(all, length);
  }
  return matched;
}

}  // namespace baton::router
