#include "scoreboard.h"

#include <algorithm>

namespace baton::router {
namespace {

/// REQUIRES: not empty; `sorted` ascends.
Duration Quantile(const std::vector<Duration>& sorted, double part) {
  const auto rank = static_cast<size_t>(part * static_cast<double>(sorted.size()));
  return sorted[std::min(rank, sorted.size() - 1)];
}

}  // namespace

void RecentTimes::Add(TimePoint now, Duration took, Duration wish) {
  if (samples_.size() == kMost) samples_.pop_front();
  samples_.push_back({now, took, wish});
}

RecentTimes::Figures RecentTimes::Read(TimePoint now) {
  while (!samples_.empty() && samples_.front().at + kWindow < now) samples_.pop_front();
  Figures figures;
  if (samples_.empty()) return figures;
  std::vector<Duration> took;
  std::vector<Duration> wishes;
  took.reserve(samples_.size());
  for (const Sample& sample : samples_) {
    took.push_back(sample.took);
    if (sample.wish <= Duration::zero()) continue;
    wishes.push_back(sample.wish);
    if (sample.took <= sample.wish) ++figures.held;
  }
  std::sort(took.begin(), took.end());
  figures.count = static_cast<int64_t>(took.size());
  figures.p50 = Quantile(took, 0.5);
  figures.p90 = Quantile(took, 0.9);
  figures.p99 = Quantile(took, 0.99);
  figures.wishes = static_cast<int64_t>(wishes.size());
  if (wishes.empty()) return figures;
  std::sort(wishes.begin(), wishes.end());
  figures.wish = Quantile(wishes, 0.5);
  return figures;
}

void Scoreboard::BeginHandoff(const Choice& choice, TimePoint now) {
  if (choice.prefill.empty()) return;
  Pair& pair = pairs_[{choice.prefill, choice.worker}];
  ++pair.flow.in_flight;
  pair.last = now;
}

void Scoreboard::EndHandoff(const Choice& choice, TimePoint now) {
  const auto it = pairs_.find({choice.prefill, choice.worker});
  if (it == pairs_.end()) return;
  --it->second.flow.in_flight;
  it->second.last = now;
}

void Scoreboard::Handed(const Choice& choice, int64_t prompt_tokens) {
  const auto it = pairs_.find({choice.prefill, choice.worker});
  if (it == pairs_.end()) return;
  ++it->second.flow.done;
  it->second.flow.tokens += prompt_tokens;
}

std::vector<Flow> Scoreboard::Flows(TimePoint now) {
  std::erase_if(pairs_, [&](const auto& entry) {
    return entry.second.flow.in_flight == 0 && entry.second.last + kForget < now;
  });
  std::vector<Flow> flows;
  flows.reserve(pairs_.size());
  for (const auto& [names, pair] : pairs_) {
    flows.push_back(pair.flow);
    flows.back().from = names.first;
    flows.back().to = names.second;
  }
  std::stable_sort(flows.begin(), flows.end(), [](const Flow& a, const Flow& b) {
    return std::pair(a.in_flight, a.done) > std::pair(b.in_flight, b.done);
  });
  if (flows.size() > kMostFlows) flows.resize(kMostFlows);
  return flows;
}

}  // namespace baton::router
