#include <initializer_list>

#include "baton/app/bench_flags.h"

namespace baton::app {
namespace {

constexpr int64_t kRequests = 100;

/// The first of the conditions that holds, as the error.
struct Wrong {
  bool is;
  const char* message;
};
Status FirstOf(std::initializer_list<Wrong> all) {
  for (const Wrong& each : all) {
    if (each.is) return InvalidArgument(each.message);
  }
  return OkStatus();
}

Status CheckLoop(const BenchFlags& flags) {
  const bool trace = !flags.trace.empty();
  const bool closed = flags.concurrency > 0;
  const bool trace_times =
      trace && !closed && (flags.arrivals.empty() || flags.arrivals == "trace");
  return FirstOf({
      {!trace && !closed && flags.rate == 0 && !flags.goodput,
       "--rate is missing: say how many requests a second to send, e.g. --rate 2, or how many at "
       "once, e.g. --concurrency 8"},
      {closed && !flags.arrivals.empty(),
       "--arrivals is for an open loop: leave it out, or replace --concurrency by --rate"},
      {closed && flags.goodput, "--goodput searches a rate: leave --concurrency out, or --goodput"},
      {flags.arrivals == "trace" && !trace, "--arrivals trace needs a trace: add --trace FILE"},
      {trace && !trace_times && !closed && flags.rate == 0 && !flags.goodput,
       "--arrivals needs a rate: add --rate, or leave --arrivals out for the trace's own times"},
      {flags.arrivals == "gamma" && flags.cv == 0,
       "--arrivals gamma needs its burstiness: add --cv, e.g. --cv 2"},
      {flags.cv > 0 && flags.arrivals != "gamma", "--cv is for --arrivals gamma: add that"},
      {flags.time_scale > 0 && !trace_times,
       "--time-scale is for the times of a trace: add --trace FILE, or say --rate instead"},
      {flags.time_scale > 0 && (flags.rate > 0 || flags.goodput),
       "--time-scale and a rate both set the trace's times: leave one of them out"},
  });
}

Status CheckPrompts(const BenchFlags& flags) {
  const bool trace = !flags.trace.empty();
  const bool text = !flags.prompts.empty();
  return FirstOf({
      {trace && text, "--prompts and --trace both say what to send: leave one of them out"},
      {(trace || text) && !flags.prompt_tokens.empty(),
       "--prompt-tokens is for random prompts: leave it out, or --prompts and --trace"},
      {trace && !flags.output_tokens.empty(),
       "--output-tokens is for other prompts than a trace's: use --length-scale or "
       "--max-output-tokens"},
      {(trace || text) && flags.prefix_tokens > 0,
       "--prefix-tokens is for random prompts: leave it out, or --prompts and --trace"},
      {!trace && (flags.max_prompt_tokens > 0 || flags.max_output_tokens > 0),
       "--max-prompt-tokens and --max-output-tokens cut a trace's: add --trace FILE, or say "
       "--prompt-tokens and --output-tokens"},
      {!trace && flags.length_scale != 1,
       "--length-scale is for a trace's lengths: add --trace FILE"},
  });
}

Status CheckRest(const BenchFlags& flags) {
  for (const std::string& header : flags.server.headers) {
    const size_t colon = header.find(':');
    const bool line = header.find_first_of("\r\n") == std::string::npos;
    if (colon == 0 || colon == std::string::npos || !line) {
      return InvalidArgument("--header '" + header + "': write 'Name: value'");
    }
  }
  BATON_RETURN_IF_ERROR(loadgen::CheckExtraFields(flags.extra_body).WithContext("--extra-body"));
  return FirstOf({
      {flags.goodput && flags.slos.empty(),
       "--goodput needs what to keep: add --slo TTFT:TPOT in milliseconds, e.g. --slo 500:50"},
      {flags.max_rate > 0 && flags.max_rate < flags.rate,
       "--max-rate is below --rate, from which the search begins"},
      {flags.records && flags.json.empty(), "--records go into the JSON: add --json FILE"},
  });
}

Result<loadgen::Lengths> LengthsOf(const char* flag, const std::string& text,
                                   const char* otherwise) {
  auto lengths = loadgen::ParseLengths(text.empty() ? otherwise : text);
  if (!lengths.ok()) return lengths.status().WithContext(flag);
  return lengths;
}

loadgen::ArrivalKind KindOf(const std::string& arrivals) {
  if (arrivals == "gamma") return loadgen::ArrivalKind::kGamma;
  if (arrivals == "constant") return loadgen::ArrivalKind::kConstant;
  return loadgen::ArrivalKind::kPoisson;
}

LoopKind LoopOf(const BenchFlags& flags) {
  if (flags.concurrency > 0) return LoopKind::kClosed;
  const bool trace_times = flags.arrivals.empty() || flags.arrivals == "trace";
  return !flags.trace.empty() && trace_times ? LoopKind::kTrace : LoopKind::kOpen;
}

loadgen::Extent ExtentOf(const BenchFlags& flags) {
  loadgen::Extent extent;
  if (flags.requests > 0) extent.requests = flags.requests;
  if (flags.duration_s > 0) {
    extent.duration =
        std::chrono::duration_cast<Duration>(std::chrono::duration<double>(flags.duration_s));
  }
  const bool whole_trace = LoopOf(flags) == LoopKind::kTrace && !flags.goodput;
  if (flags.requests == 0 && flags.duration_s == 0 && !whole_trace) extent.requests = kRequests;
  return extent;
}

}  // namespace

Result<BenchPlan> CheckBenchFlags(const BenchFlags& flags) {
  BATON_RETURN_IF_ERROR(CheckLoop(flags));
  BATON_RETURN_IF_ERROR(CheckPrompts(flags));
  BATON_RETURN_IF_ERROR(CheckRest(flags));
  BenchPlan plan{.loop = LoopOf(flags),
                 .arrivals = {.kind = KindOf(flags.arrivals),
                              .requests_per_s = flags.rate > 0 ? flags.rate : 1,
                              .cv = flags.cv > 0 ? flags.cv : 1},
                 .extent = ExtentOf(flags)};
  BATON_ASSIGN_OR_RETURN(plan.prompt_tokens,
                         LengthsOf("--prompt-tokens", flags.prompt_tokens, "128"));
  BATON_ASSIGN_OR_RETURN(plan.output_tokens,
                         LengthsOf("--output-tokens", flags.output_tokens, "64"));
  for (const std::string& text : flags.slos) {
    const auto slo = loadgen::ParseSlo(text);
    if (!slo.ok()) return slo.status().WithContext("--slo");
    plan.slos.push_back(*slo);
  }
  plan.search.goal = flags.goal;
  plan.search.precision = flags.precision;
  plan.search.first_rate = plan.arrivals.requests_per_s;
  if (flags.max_rate > 0) plan.search.most_rate = flags.max_rate;
  return plan;
}

}  // namespace baton::app
