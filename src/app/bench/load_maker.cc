#include "load_maker.h"

#include <algorithm>

namespace baton::app {
namespace {

/// Rounds differ in all that is drawn.
Random ArrivalsOf(uint64_t seed, uint64_t round) {
  const auto words = Philox4x32({static_cast<uint32_t>(round), 0, 0, 0}, seed);
  return Random((uint64_t{words[0]} << 32) | words[1]);
}

}  // namespace

Result<LoadMaker> LoadMaker::Make(const BenchFlags& flags, const BenchPlan& plan) {
  LoadMaker maker(flags, plan);
  if (!flags.prompts.empty()) {
    auto lines = loadgen::ReadPromptLines(flags.prompts);
    if (!lines.ok()) return lines.status().WithContext("--prompts");
    maker.lines_ = *std::move(lines);
  }
  if (flags.trace.empty()) return maker;
  auto trace = loadgen::ReadTrace(flags.trace);
  if (!trace.ok()) return trace.status().WithContext("--trace");
  loadgen::TraceChanges changes{.length_scale = flags.length_scale};
  if (flags.time_scale > 0) changes.time_scale = flags.time_scale;
  if (flags.max_prompt_tokens > 0) changes.most_prompt_tokens = flags.max_prompt_tokens;
  if (flags.max_output_tokens > 0) changes.most_output_tokens = flags.max_output_tokens;
  maker.trace_ = ChangeTrace(*std::move(trace), changes);
  const bool rated = flags.rate > 0 || flags.goodput;
  if (plan.loop == LoopKind::kTrace && rated && maker.TraceRate() == 0) {
    return InvalidArgument("--trace " + flags.trace +
                           ": its requests all come at once, so that they have no rate; add "
                           "--arrivals poisson");
  }
  return maker;
}

std::unique_ptr<loadgen::Prompts> LoadMaker::MakePrompts(loadgen::WordList words) const {
  if (!flags_->trace.empty()) return MakeTracePrompts(trace_, flags_->seed, std::move(words));
  const loadgen::SyntheticOptions options{.prompt_tokens = plan_->prompt_tokens,
                                          .output_tokens = plan_->output_tokens,
                                          .prefix_tokens = flags_->prefix_tokens,
                                          .prefixes = flags_->prefixes,
                                          .seed = flags_->seed};
  if (!flags_->prompts.empty()) return MakeTextPrompts(lines_, options);
  return MakeSyntheticPrompts(options, std::move(words));
}

loadgen::LoadOptions LoadMaker::MakeLoad(uint64_t round, std::optional<double> rate) const {
  loadgen::LoadOptions load{.round = round};
  switch (plan_->loop) {
    case LoopKind::kClosed:
      load.loop = loadgen::ClosedLoop{flags_->concurrency, plan_->extent};
      break;
    case LoopKind::kTrace: load.loop = loadgen::OpenLoop{TraceTimes(rate)}; break;
    case LoopKind::kOpen:
      loadgen::ArrivalOptions arrivals = plan_->arrivals;
      if (rate) arrivals.requests_per_s = *rate;
      Random random = ArrivalsOf(flags_->seed, round);
      load.loop = loadgen::OpenLoop{DrawArrivals(arrivals, plan_->extent, random)};
      break;
  }
  return load;
}

loadgen::LoadOptions LoadMaker::MakeWarmup(int32_t requests) const {
  return {.loop = loadgen::ClosedLoop{.concurrency = 1, .extent = {.requests = requests}}};
}

const char* LoadMaker::prompts_kind() const {
  if (!flags_->trace.empty()) return "trace";
  return flags_->prompts.empty() ? "synthetic" : "text";
}

double LoadMaker::TraceRate() const {
  loadgen::Trace sent = trace_;
  const auto all = static_cast<int64_t>(sent.requests.size());
  sent.requests.resize(static_cast<size_t>(std::min(all, plan_->extent.requests)));
  return sent.Rate();
}

std::vector<Duration> LoadMaker::TraceTimes(std::optional<double> rate) const {
  if (!rate && flags_->rate > 0) rate = flags_->rate;
  const double scale = rate ? TraceRate() / *rate : 1;
  const loadgen::Trace scaled = ChangeTrace(trace_, {.time_scale = scale, .extent = plan_->extent});
  std::vector<Duration> due;
  for (const loadgen::TraceRequest& request : scaled.requests) due.push_back(request.at);
  return due;
}

}  // namespace baton::app
