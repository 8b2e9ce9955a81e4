#include "goodput.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include <gtest/gtest.h>

#include "baton/telemetry/metrics.h"
#include "router_core.h"

namespace baton::simulation {
namespace {

constexpr double kGoal = 0.9;
constexpr double kPrecision = 1.02;
/// What is measured: so many requests, or those of so long, whatever is more.
constexpr int kRequests = 300;
constexpr double kSeconds = 20;

/// Whether a request kept its SLO.
class SloSink final : public api::CompletionSink {
 public:
  SloSink(const Clock& clock, RequestSlo slo) : clock_(clock), slo_(slo), due_(clock.Now()) {}

  void OnRoute(std::string) override {}
  void OnToken(TokenOutput) override {
    last_ = clock_.Now();
    if (++tokens_ == 1) first_ = last_;
  }
  void OnEnd(Status status) override { ended_ = true, finished_ = status.ok(); }

  bool ended() const { return ended_; }
  bool kept() const {
    if (!finished_ || first_ - due_ > slo_.ttft) return false;
    return tokens_ < 2 || (last_ - first_) / (tokens_ - 1) <= slo_.tpot;
  }

 private:
  const Clock& clock_;
  const RequestSlo slo_;
  const TimePoint due_;
  TimePoint first_{};
  TimePoint last_{};
  int64_t tokens_ = 0;
  bool ended_ = false;
  bool finished_ = false;
};

/// A router and its workers.
class Fleet {
 public:
  Fleet(const Setting& setting, const Machine& machine) {
    router::RouterOptions options{.requests = 1 << 20};
    const auto add = [&](int count, const char* prefix, Role role) {
      for (int i = 0; i < count; ++i) {
        const std::string name = prefix + std::to_string(i);
        workers_.push_back(
            std::make_unique<ModelWorker>(name, role, machine, events_, workers_.size()));
        options.workers.push_back({.name = name, .address = name});
      }
    };
    add(setting.prefill, "p", Role::kPrefill);
    add(setting.decode, "d", Role::kDecode);
    add(setting.mixed, "m", Role::kMixed);
    for (const auto& decode : workers_) {
      for (const auto& prefill : workers_) {
        if (decode->role() == Role::kDecode && prefill->role() == Role::kPrefill) {
          decode->Join(*prefill);
        }
      }
    }
    router_ = std::make_unique<router::RouterCore>(
        options, *router::RoutingPolicy::Make(setting.policy, ""),
        [this](const std::string& address) { return Reach(Find(address), events_); }, registry_,
        events_.clock());
    while (!router_->Ready().ready) Step();
  }

  EventQueue& events() { return events_; }
  router::RouterCore& router() { return *router_; }
  /// The next event and what the router makes of it.
  void Step() {
    while (router_->Turn(Duration::zero())) {
    }
    events_.Next();
    while (router_->Turn(Duration::zero())) {
    }
  }

 private:
  ModelWorker& Find(const std::string& name) {
    for (const auto& worker : workers_) {
      if (worker->name() == name) return *worker;
    }
    std::abort();
  }

  EventQueue events_;
  std::vector<std::unique_ptr<ModelWorker>> workers_;
  telemetry::MetricRegistry registry_;
  std::unique_ptr<router::RouterCore> router_;
};

}  // namespace

double Attainment(const Setting& setting, const Machine& machine, const Load& load, double rate,
                  int requests) {
  Fleet fleet(setting, machine);
  EventQueue& events = fleet.events();
  Random random(7);
  std::vector<std::shared_ptr<SloSink>> sinks;
  TimePoint due = events.now();
  for (int i = 0; i < requests; ++i) {
    due += std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(-std::log1p(-random.Uniform()) / rate));
    const Lengths lengths = load.lengths(random);
    events.At(due, [&, i, lengths] {
      Request request;
      request.id = "r" + std::to_string(i);
      request.prompt.resize(static_cast<size_t>(lengths.prompt), i);
      request.sampling.max_tokens = static_cast<int32_t>(lengths.output);
      request.slo = load.slo;
      sinks.push_back(std::make_shared<SloSink>(events.clock(), load.slo));
      fleet.router().Start(std::move(request), sinks.back());
    });
  }
  const auto over = [&] {
    return std::all_of(sinks.begin(), sinks.end(), [](const auto& sink) { return sink->ended(); });
  };
  while (sinks.size() < static_cast<size_t>(requests) || !over()) fleet.Step();
  const auto kept =
      std::count_if(sinks.begin(), sinks.end(), [](const auto& sink) { return sink->kept(); });
  fleet.router().Close();
  while (fleet.router().Turn(Duration::zero())) {
  }
  return static_cast<double>(kept) / requests;
}

double Goodput(const Setting& setting, const Machine& machine, const Load& load) {
  const auto enough = [&](double rate) {
    const int requests = std::max(kRequests, static_cast<int>(rate * kSeconds));
    return Attainment(setting, machine, load, rate, requests) >= kGoal;
  };
  double low = 1;
  double high = 1;
  while (!enough(low)) high = std::exchange(low, low / 2);
  while (low == high || enough(high)) low = std::exchange(high, 2 * high);
  while (high / low > kPrecision) {
    const double middle = std::sqrt(low * high);
    (enough(middle) ? low : high) = middle;
  }
  return low;
}

}  // namespace baton::simulation
