#include "cost_choice.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace baton::router {
namespace {

/// What a second beyond an SLO weighs against one within.
constexpr int kMissWeight = 10;
/// What a first token that comes too late costs besides, against all that the SLO gives the
/// request.
constexpr int kLateWeight = 2;
/// Predictions are this part of the wish off now and then: what is to hold it must hold it with so
/// much to spare, or a queue that is filled up to the wish has every other of its requests late.
constexpr int kErrorPart = 10;

struct Option {
  Choice choice;
  /// Of everybody.
  Duration cost{};
  bool in_time = true;
  /// Nor is it slower than the request's SLO allows.
  bool holds = true;
};

bool Known(const WorkerView& view, bool decodes) {
  const cost::StepModel* steps = view.forecast.steps;
  return steps != nullptr && steps->knows_prefill() && (!decodes || steps->knows_decode());
}

Duration FromSeconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

Duration Miss(Duration time, Duration slo) {
  return slo > Duration::zero() && time > slo ? kMissWeight * (time - slo) : Duration::zero();
}

Duration WithoutError(Duration wish) { return wish - wish / kErrorPart; }

/// The prefills that begin at a worker while a sequence decodes there, if they come as of late.
struct Interruptions {
  /// That there is any.
  double chance = 0;
  /// By all of them, on average.
  Duration delay{};
};

Interruptions InterruptionsOf(const Forecast& at, Duration decoding) {
  /// No worker is taken to do nothing but prefill.
  constexpr double kMost = 0.9;
  const double part = std::min(kMost, at.prefills_per_s * Seconds(at.mean_prefill));
  const double expected = at.prefills_per_s * Seconds(decoding) / (1 - part);
  return {.chance = -std::expm1(-expected),
          .delay = FromSeconds(expected * Seconds(at.mean_prefill))};
}

class Weigher {
 public:
  /// Of `workers` that generate, which share what comes.
  Weigher(const Query& query, size_t workers)
      : query_(query),
        arrivals_per_s_(query.arrivals_per_s / static_cast<double>(std::max<size_t>(1, workers))) {}

  /// Everything on one worker.
  Option Whole(const WorkerView& view) const {
    const Forecast& at = view.forecast;
    Option option =
        Generate(view, QueueTime(at) + PrefillTime(at, view.cached_tokens, query_.prompt_tokens));
    option.cost += DelayOfOthers(view);
    return option;
  }

  Option Split(const WorkerView& decode, const WorkerView& prefill) const {
    const int64_t missing = query_.prompt_tokens - decode.cached_tokens;
    Option option =
        Generate(decode, ReadyTime(prefill) + TransferTime(decode.forecast, prefill.name, missing));
    option.choice.prefill = prefill.name;
    option.cost += DelayOfOthers(prefill);
    // Prompts that the decode worker has yet to prefill then, beside it.
    const Duration beside = QueueTime(decode.forecast) - option.choice.ttft;
    if (beside > Duration::zero()) {
      option.cost += Delayed(DecodeTime(decode.forecast, query_.prompt_tokens), beside);
    }
    return option;
  }

  /// When a prefill worker would be done with the prompt.
  Duration ReadyTime(const WorkerView& prefill) const {
    return QueueTime(prefill.forecast) +
           PrefillTime(prefill.forecast, prefill.cached_tokens, query_.prompt_tokens);
  }

  bool HasRoom(const WorkerView& view) const {
    return !view.full && tokens() <= view.forecast.free_tokens;
  }

 private:
  int64_t tokens() const { return query_.prompt_tokens + query_.output_tokens; }

  /// What a delay of its decoding costs a request of this one's length and SLO.
  Duration Delayed(Duration tpot, Duration delay) const {
    return delay + SlowMiss(tpot + delay / query_.output_tokens) - SlowMiss(tpot);
  }

  /// For all tokens.
  Duration SlowMiss(Duration tpot) const {
    return query_.output_tokens * Miss(tpot, query_.slo.tpot);
  }

  /// What the prompt's prefill adds to the time of those that decode there or will have begun to
  /// before its turn, and of those that can be expected to begin to while it lasts, all taken to be
  /// like this request.
  Duration DelayOfOthers(const WorkerView& view) const {
    const Forecast& at = view.forecast;
    const Duration delay = PrefillDelay(at, view.cached_tokens, query_.prompt_tokens);
    const Beside beside = BesideAfter(QueueTime(at), Undisturbed(at, {}));
    const Duration tpot = DecodeTime(at, query_.prompt_tokens, beside);
    const double there = beside.decoding * static_cast<double>(at.decoding.decode_sequences) +
                         beside.coming * static_cast<double>(at.coming.decode_sequences);
    const double newcomers = view.role == Role::kPrefill ? 0 : arrivals_per_s_ * Seconds(delay);
    return FromSeconds(there * Seconds(Delayed(tpot, delay)) +
                       newcomers * Seconds(Delayed(tpot, delay / 2)));
  }

  /// Of all tokens, beside those that decode here.
  Duration Undisturbed(const Forecast& at, Beside beside) const {
    return query_.output_tokens * DecodeTime(at, query_.prompt_tokens, beside);
  }

  Option Generate(const WorkerView& view, Duration prefilled) const {
    const Forecast& at = view.forecast;
    const Duration room = HasRoom(view) ? Duration{} : RoomTime(at, query_.output_tokens);
    const Duration ttft = prefilled + room;
    const Duration late = Miss(ttft, WithoutError(query_.slo.ttft));
    const Duration undisturbed = Undisturbed(at, BesideAfter(ttft, Undisturbed(at, {})));
    const Interruptions interruptions = InterruptionsOf(at, undisturbed);
    const Duration decode = undisturbed + interruptions.delay;
    Option option{.choice = {.worker = view.name, .ttft = ttft}};
    option.cost = ttft + late + decode + ExpectedSlowMiss(undisturbed, interruptions);
    option.in_time = late == Duration::zero();
    if (!option.in_time) option.cost += kLateWeight * query_.wish;
    option.holds = option.in_time && Miss(decode / query_.output_tokens,
                                          WithoutError(query_.slo.tpot)) == Duration::zero();
    return option;
  }

  /// Prefills differ much in length: what interrupts is taken to last for an exponentially
  /// distributed time, of which a part exceeds any slack.
  Duration ExpectedSlowMiss(Duration undisturbed, const Interruptions& interruptions) const {
    if (query_.slo.tpot == Duration::zero()) return {};
    const Duration slack = query_.output_tokens * query_.slo.tpot - undisturbed;
    if (slack <= Duration::zero()) return kMissWeight * (interruptions.delay - slack);
    if (interruptions.delay <= Duration::zero()) return {};
    const double mean = Seconds(interruptions.delay) / interruptions.chance;
    return FromSeconds(kMissWeight * Seconds(interruptions.delay) *
                       std::exp(-Seconds(slack) / mean));
  }

  const Query& query_;
  /// At each of the workers.
  const double arrivals_per_s_;
};

/// Local or remote, for one decode worker.
Option WhetherToSplit(const Weigher& weigher, const Group& group,
                      const std::map<const WorkerView*, Duration>& ready) {
  Option whole = weigher.Whole(*group.worker);
  if (group.worker->role == Role::kMixed) return whole;
  whole.choice.reason = "cheaper";
  std::vector<std::pair<Duration, const WorkerView*>> order;
  for (const WorkerView* prefill : group.prefills) order.emplace_back(ready.at(prefill), prefill);
  std::sort(order.begin(), order.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::optional<Option> split;
  for (const auto& [done, prefill] : order) {
    // Whoever is done later than the best has arrived cannot be better.
    if (split && done >= split->choice.ttft) break;
    Option option = weigher.Split(*group.worker, *prefill);
    if (!split || option.cost < split->cost) split = std::move(option);
  }
  if (!split) return whole;
  Option& best = split->cost < whole.cost ? *split : whole;
  const bool only_this_in_time = best.in_time && split->in_time != whole.in_time;
  best.choice.reason = only_this_in_time ? "slo" : "cheaper";
  return best;
}

}  // namespace

std::optional<Choice> ChooseByCost(const std::vector<Group>& groups, const Query& query,
                                   const WorkerView* home) {
  const Weigher weigher(query, groups.size());
  std::map<const WorkerView*, Duration> ready;
  bool room = false;
  for (const Group& group : groups) {
    if (!Known(*group.worker, true)) return std::nullopt;
    room |= group.worker->role == Role::kMixed || weigher.HasRoom(*group.worker);
    for (const WorkerView* prefill : group.prefills) {
      if (ready.contains(prefill)) continue;
      if (!Known(*prefill, false)) return std::nullopt;
      ready[prefill] = weigher.ReadyTime(*prefill);
    }
  }
  std::optional<Option> best;
  const auto consider = [&](Option option, bool at_home) {
    if (at_home) option.cost -= option.cost / 5;
    if (!best || option.cost < best->cost) best = std::move(option);
  };
  for (const Group& group : groups) {
    consider(WhetherToSplit(weigher, group, ready), group.worker == home);
  }
  // Prefill workers decode where nobody else can in time, and no sooner: each sequence there keeps
  // the prompts that come next from being prefilled beside it.
  if (room && best && best->holds) return best->choice;
  for (const auto& [prefill, done] : ready) {
    if (!Known(*prefill, true) || !weigher.HasRoom(*prefill)) continue;
    Option option = weigher.Whole(*prefill);
    option.choice.reason = !room ? "decode_full" : option.holds ? "slo" : "cheaper";
    consider(std::move(option), false);
  }
  return best ? std::optional(best->choice) : std::nullopt;
}

}  // namespace baton::router
