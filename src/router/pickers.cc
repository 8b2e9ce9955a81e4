// The policies that look at one worker at a time.
#include <algorithm>
#include <iterator>

#include "baton/base/random.h"
#include "routing_policy.h"

namespace baton::router {
namespace {

using Candidates = Picker::Candidates;

/// Requests that a worker may have beyond twice those of the idlest.
constexpr int32_t kSlack = 4;

int32_t LeastLoad(const Candidates& candidates) {
  const auto less = [](const WorkerView* a, const WorkerView* b) { return a->load < b->load; };
  return (*std::min_element(candidates.begin(), candidates.end(), less))->load;
}

/// Takes turns by name, so that the order in which workers come and go does not matter. Who has
/// enough to do misses a turn, unless all have.
class RoundRobin final : public Picker {
  const WorkerView& Pick(const Candidates& candidates) override {
    Candidates idle;
    std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(idle),
                 [](const WorkerView* worker) { return !worker->busy; });
    return Next(idle.empty() ? candidates : idle);
  }

  const WorkerView& Next(const Candidates& candidates) {
    const WorkerView* next = nullptr;
    const WorkerView* first = candidates.front();
    for (const WorkerView* candidate : candidates) {
      if (candidate->name < first->name) first = candidate;
      if (candidate->name > last_ && (next == nullptr || candidate->name < next->name)) {
        next = candidate;
      }
    }
    const WorkerView& pick = next == nullptr ? *first : *next;
    last_ = pick.name;
    return pick;
  }

  std::string last_;
};

/// The fewest requests under way; among equals, takes turns.
class LeastLoaded final : public Picker {
  const WorkerView& Pick(const Candidates& candidates) override {
    const int32_t least = LeastLoad(candidates);
    Candidates idlest;
    std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(idlest),
                 [least](const WorkerView* worker) { return worker->load == least; });
    return *idlest[turn_++ % idlest.size()];
  }

  size_t turn_ = 0;
};

/// The less loaded of two that chance names: near the least loaded, without that every router
/// sends to the same one at the same time.
class PowerOfTwo final : public Picker {
  const WorkerView& Pick(const Candidates& candidates) override {
    const size_t count = candidates.size();
    const size_t first = random_.Below(count);
    if (count == 1) return *candidates[first];
    const size_t second = (first + 1 + random_.Below(count - 1)) % count;
    const WorkerView& a = *candidates[first];
    const WorkerView& b = *candidates[second];
    return b.load < a.load ? b : a;
  }

  Random random_{RandomSeed()};
};

/// The most of the prompt cached, among those that have not much more to do than the idlest; the
/// fewest requests among equals.
class PrefixAware final : public Picker {
  const WorkerView& Pick(const Candidates& candidates) override {
    Candidates best;
    for (const WorkerView* candidate : NotOverloaded(candidates)) {
      if (!best.empty() && candidate->cached_tokens < best.front()->cached_tokens) continue;
      if (!best.empty() && candidate->cached_tokens > best.front()->cached_tokens) best.clear();
      best.push_back(candidate);
    }
    return rest_->Pick(best);
  }

  const std::unique_ptr<Picker> rest_ = Picker::Make("least_loaded");
};

}  // namespace

Picker::Candidates Picker::NotOverloaded(const Candidates& candidates) {
  const int32_t most = 2 * LeastLoad(candidates) + kSlack;
  Candidates rest;
  std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(rest),
               [most](const WorkerView* worker) { return worker->load <= most; });
  return rest;
}

std::unique_ptr<Picker> Picker::Make(const std::string& name) {
  if (name == "round_robin") return std::make_unique<RoundRobin>();
  if (name == "least_loaded") return std::make_unique<LeastLoaded>();
  if (name == "power_of_two") return std::make_unique<PowerOfTwo>();
  if (name == "prefix_aware") return std::make_unique<PrefixAware>();
  return nullptr;
}

}  // namespace baton::router
