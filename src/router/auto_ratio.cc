#include "auto_ratio.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "baton/base/logging.h"

namespace baton::router {
namespace {

constexpr Duration kPulse = std::chrono::seconds(1);
constexpr Duration kShortestPulse = std::chrono::milliseconds(50);
/// Requests that tell what the load is like: the last so many that are not older than this, and at
/// least so many of them.
constexpr size_t kMostRequests = 128;
constexpr size_t kLeastRequests = 24;
constexpr Duration kOldest = std::chrono::minutes(2);
/// A fleet that has less to do than this part of what it can serve is left as it is.
constexpr double kLeastLoad = 0.1;
/// What requests get to finish where a worker leaves its role; they go on beside its new work.
constexpr Duration kPatience = std::chrono::seconds(2);

std::string Rate(double per_s) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3g", per_s);
  return text;
}

}  // namespace

void AutoRatio::SetOptions(const Options& options) {
  if (options.on != options_.on) {
    BATON_LOG(Info) << (options.on ? "roles: they follow the load from now on"
                                   : "roles: they stay as they are from now on");
    hold_.Break();
    seen_.reset();
    if (!options.on) metrics_.ShowRatio({});
  }
  options_ = options;
  hold_.SetDwell(options.dwell);
}

void AutoRatio::Add(TimePoint now, const RequestSample& sample) {
  if (!options_.on) return;
  if (ended_.size() == kMostRequests) ended_.pop_front();
  ended_.push_back({now, sample});
}

TimePoint AutoRatio::Tick(TimePoint now, double arrivals_per_s) {
  if (!options_.on) return TimePoint::max();
  if (now < next_) return next_;
  next_ = now + std::clamp(options_.dwell / 8, kShortestPulse, kPulse);
  Look(now, arrivals_per_s);
  return next_;
}

void AutoRatio::Look(TimePoint now, double arrivals_per_s) {
  const std::optional<api::RoleCounts> counts = CountsAtRest();
  if (!counts) return hold_.Break();
  FollowChanges(now, *counts);
  const std::optional<RatioPlan> plan = Plan(now);
  if (!plan) return hold_.Break();
  const RatioOutlook current = plan->Of(*counts);
  const RatioOutlook best = plan->Best(*counts);
  Show(current, best, arrivals_per_s);
  if (arrivals_per_s < kLeastLoad * current.capacity_per_s) return hold_.Break();
  if (hold_.Look(now, current, best)) Change(current, best, arrivals_per_s);
}

std::optional<api::RoleCounts> AutoRatio::CountsAtRest() const {
  if (scaling_.under_way()) return std::nullopt;
  api::RoleCounts counts;
  for (const RoleView& worker : fleet_.Roles()) {
    if (!worker.there || worker.leaving) return std::nullopt;
    ++counts.of(worker.role);
  }
  return counts.total() > 1 ? std::optional(counts) : std::nullopt;
}

void AutoRatio::FollowChanges(TimePoint now, const api::RoleCounts& counts) {
  if (begun_ > 0 && begun_ == scaling_.state().number) {
    const bool failed = !scaling_.state().outcome.ok();
    metrics_.CountRatioChange(failed ? "failed" : "done");
    hold_.OnChange(now, failed);
  } else if (seen_ && seen_ != counts) {
    hold_.OnChange(now, false);
  }
  begun_ = 0;
  seen_ = counts;
}

std::optional<RatioPlan> AutoRatio::Plan(TimePoint now) {
  while (!ended_.empty() && ended_.front().at + kOldest < now) ended_.pop_front();
  if (ended_.size() < kLeastRequests) return std::nullopt;
  std::vector<RequestSample> samples;
  samples.reserve(ended_.size());
  int64_t tokens = 0;
  for (const Ended& ended : ended_) {
    samples.push_back(ended.sample);
    tokens += ended.sample.prefill.prefill_tokens;
  }
  const std::vector<WorkerSpeed> speeds =
      fleet_.Speeds(tokens / static_cast<int64_t>(samples.size()));
  if (speeds.empty()) return std::nullopt;
  return RatioPlan(samples, speeds, options_.by_cost);
}

void AutoRatio::Change(const RatioOutlook& current, const RatioOutlook& best,
                       double arrivals_per_s) {
  double prompt = 0;
  double computed = 0;
  double output = 0;
  for (const Ended& ended : ended_) {
    prompt += static_cast<double>(ended.sample.prompt_tokens);
    computed += static_cast<double>(ended.sample.prefill.prefill_tokens);
    output += static_cast<double>(ended.sample.output_tokens);
  }
  const auto mean = [this](double sum) {
    return std::to_string(std::llround(sum / static_cast<double>(ended_.size())));
  };
  decision_ = api::DescribeCounts(best.counts) + " can serve " + Rate(best.capacity_per_s) +
              " requests/s within their SLOs, " + api::DescribeCounts(current.counts) + " " +
              Rate(current.capacity_per_s) + "; " + Rate(arrivals_per_s) + "/s come, of " +
              mean(prompt) + " prompt tokens (" + mean(computed) + " to compute) and " +
              mean(output) + " output tokens in the mean";
  BATON_LOG(Info) << "roles: " << decision_;
  const auto begun = scaling_.Begin({.wanted = best.counts, .patience = kPatience}, "auto");
  if (!begun.ok()) {
    BATON_LOG(Info) << "roles: not now: " << begun.status().message();
    return hold_.Break();
  }
  begun_ = begun->number;
}

void AutoRatio::Show(const RatioOutlook& current, const RatioOutlook& best, double arrivals_per_s) {
  const double load =
      current.capacity_per_s > 0 ? arrivals_per_s / current.capacity_per_s : INFINITY;
  // Pairs and mixed workers get requests as they can serve them.
  const double split = current.capacity_per_s - current.mixed_per_s;
  const auto utilisation = [&](double per_s, double part) {
    return per_s > 0 ? load * part / per_s : 0;
  };
  metrics_.ShowRatio({.prefill = utilisation(current.prefill_per_s, split),
                      .decode = utilisation(current.decode_per_s, split),
                      .mixed = utilisation(current.mixed_per_s, current.mixed_per_s),
                      .now_per_s = current.capacity_per_s,
                      .best_per_s = best.capacity_per_s});
}

}  // namespace baton::router
