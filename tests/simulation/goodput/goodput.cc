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
/// What is measured in each of some histories: so many requests, or those of so long, whatever is
/// more. One history would tell more of its own chances than of who decides better: of which of
/// them long prompts meet in it.
constexpr int kRequests = 200;
constexpr double kSeconds = 8;
constexpr uint64_t kHistories = 3;

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
    options.auto_ratio = setting.ratio_dwell > Duration::zero();
    options.ratio_dwell = setting.ratio_dwell;
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
    for (const auto& worker : workers_) {
      worker->SetDirectory([this](const std::string& name) -> ModelWorker& { return Find(name); });
    }
    router_ = std::make_unique<router::RouterCore>(
        options, *router::RoutingPolicy::Make(setting.policy, ""),
        [this](const std::string& address) { return Reach(Find(address), events_); }, registry_,
        events_.clock());
    while (!router_->Ready().ready) Step();
  }

  EventQueue& events() { return events_; }
  router::RouterCore& router() { return *router_; }
  api::RoleCounts Roles() const {
    api::RoleCounts counts;
    for (const auto& worker : workers_) ++counts.of(worker->role());
    return counts;
  }
  int SumOf(const std::string& metric) const {
    double sum = 0;
    for (const telemetry::MetricFamily& family : registry_.Collect().families) {
      if (family.name != metric) continue;
      for (const auto& sample : family.samples) sum += sample.value;
    }
    return static_cast<int>(sum);
  }
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

Course Serve(const Setting& setting, const Machine& machine, const std::vector<Phase>& phases,
             uint64_t seed) {
  Fleet fleet(setting, machine);
  EventQueue& events = fleet.events();
  Random random(seed);
  Course course;
  std::vector<std::vector<std::shared_ptr<SloSink>>> sinks(phases.size());
  TimePoint due = events.now();
  int number = 0;
  for (size_t phase = 0; phase < phases.size(); ++phase) {
    const Phase& at = phases[phase];
    for (int i = 0; i < at.requests; ++i) {
      due += std::chrono::duration_cast<Duration>(
          std::chrono::duration<double>(-std::log1p(-random.Uniform()) / at.rate));
      const Lengths lengths = at.load->lengths(random);
      events.At(due, [&, phase, i = number++, lengths, slo = at.load->slo] {
        Request request;
        request.id = "r" + std::to_string(i);
        request.prompt.resize(static_cast<size_t>(lengths.prompt), i);
        request.sampling.max_tokens = static_cast<int32_t>(lengths.output);
        request.slo = slo;
        sinks[phase].push_back(std::make_shared<SloSink>(events.clock(), slo));
        fleet.router().Start(std::move(request), sinks[phase].back());
      });
    }
    events.At(due, [&] { course.roles.push_back(fleet.Roles()); });
  }
  const auto over = [&] {
    return course.roles.size() == phases.size() &&
           std::all_of(sinks.begin(), sinks.end(), [](const auto& of_phase) {
             return std::all_of(of_phase.begin(), of_phase.end(),
                                [](const auto& sink) { return sink->ended(); });
           });
  };
  while (!over()) fleet.Step();
  for (size_t phase = 0; phase < phases.size(); ++phase) {
    const auto begin = sinks[phase].begin() + phases[phase].warm_up;
    const auto kept =
        std::count_if(begin, sinks[phase].end(), [](const auto& sink) { return sink->kept(); });
    course.kept.push_back(static_cast<double>(kept) /
                          static_cast<double>(sinks[phase].end() - begin));
  }
  course.role_changes = fleet.SumOf("baton_role_changes_total");
  course.ratio_changes = fleet.SumOf("baton_ratio_moves_total");
  fleet.router().Close();
  while (fleet.router().Turn(Duration::zero())) {
  }
  return course;
}

double Attainment(const Setting& setting, const Machine& machine, const Load& load, double rate,
                  int requests) {
  double sum = 0;
  for (uint64_t history = 1; history <= kHistories; ++history) {
    const std::vector<Phase> phases{{.load = &load, .rate = rate, .requests = requests}};
    sum += Serve(setting, machine, phases, 10 + history).kept[0];
  }
  return sum / kHistories;
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
