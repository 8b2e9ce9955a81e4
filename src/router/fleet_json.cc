#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <string_view>

#include "baton/api/json_writer.h"
#include "baton/text/utf8.h"
#include "fleet_state.h"

namespace baton::router {
namespace {

using telemetry::MetricsSnapshot;

/// One JSON object as it is written.
class Object {
 public:
  explicit Object(std::string& out) : out_(out) { out_ += '{'; }
  ~Object() { out_ += '}'; }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  /// What is appended next is the value of `name`.
  std::string& Field(std::string_view name) {
    if (std::exchange(some_, true)) out_ += ',';
    api::AppendJsonString(out_, name);
    out_ += ':';
    return out_;
  }
  void Text(std::string_view name, std::string_view value) {
    api::AppendJsonString(Field(name), text::ToValidUtf8(value));
  }
  void Count(std::string_view name, int64_t value) { api::AppendJsonInteger(Field(name), value); }
  void Count(std::string_view name, double value) { Count(name, int64_t{std::llround(value)}); }
  void Milliseconds(std::string_view name, Duration value) {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof(digits), 1e3 * Seconds(value),
                                   std::chars_format::fixed, 3)
                         .ptr;
    Field(name).append(digits, end);
  }

 private:
  std::string& out_;
  bool some_ = false;
};

/// `write(item)` for each of `items`, as an array.
template <typename Items, typename Write>
void AppendArray(std::string& out, const Items& items, Write write) {
  out += '[';
  const char* separator = "";
  for (const auto& item : items) {
    out += separator;
    separator = ",";
    write(item);
  }
  out += ']';
}

std::string LabelOf(const telemetry::MetricSample& sample, std::string_view name) {
  for (const auto& [label, value] : sample.labels) {
    if (label == name) return value;
  }
  return {};
}

/// The samples of a metric by one label, summed over the others.
std::map<std::string, double> ByLabel(const MetricsSnapshot& metrics, std::string_view name,
                                      std::string_view label) {
  std::map<std::string, double> sums;
  for (const telemetry::MetricFamily& family : metrics.families) {
    if (family.name != name) continue;
    for (const auto& sample : family.samples) sums[LabelOf(sample, label)] += sample.value;
  }
  return sums;
}

double SumOf(const MetricsSnapshot& metrics, std::string_view name) {
  double sum = 0;
  for (const auto& [label, value] : ByLabel(metrics, name, {})) sum += value;
  return sum;
}

void AppendByLabel(std::string& out, const MetricsSnapshot& metrics, std::string_view name,
                   std::string_view label) {
  Object object(out);
  for (const auto& [value, sum] : ByLabel(metrics, name, label)) {
    object.Count(text::ToValidUtf8(value), sum);
  }
}

void AppendFigures(std::string& out, const RecentTimes::Figures& figures) {
  Object object(out);
  object.Count("count", figures.count);
  object.Milliseconds("p50_ms", figures.p50);
  object.Milliseconds("p90_ms", figures.p90);
  object.Milliseconds("p99_ms", figures.p99);
  Object slo(object.Field("slo"));
  slo.Count("requests", figures.wishes);
  slo.Count("met", figures.held);
  slo.Milliseconds("wish_ms", figures.wish);
}

void AppendRouter(std::string& out, const FleetState& fleet, const MetricsSnapshot& router) {
  Object object(out);
  object.Milliseconds("at_ms", fleet.at.time_since_epoch());
  auto under_way = ByLabel(router, "baton_router_requests", "state");
  object.Count("waiting", under_way["waiting"]);
  object.Count("running", under_way["running"]);
  object.Count("output_tokens", SumOf(router, "baton_router_output_tokens_total"));
  AppendByLabel(object.Field("ended"), router, "baton_router_requests_total", "outcome");
  object.Milliseconds("window_ms", RecentTimes::kWindow);
  AppendFigures(object.Field("ttft"), fleet.ttft);
  AppendFigures(object.Field("tpot"), fleet.tpot);
  object.Text("ratio", fleet.auto_ratio ? "auto" : "fixed");
  object.Text("ratio_decision", fleet.ratio_decision);
}

std::string_view StandingOf(const WorkerState& worker) {
  if (!worker.role) return "absent";
  return worker.status.draining || worker.leaves ? "draining" : "ready";
}

void AppendWorker(std::string& out, const WorkerState& worker) {
  const rpc::WorkerStatus& status = worker.status;
  Object object(out);
  object.Text("name", worker.name);
  object.Text("state", StandingOf(worker));
  if (!worker.role) return object.Text("problem", worker.problem);
  object.Text("role", RoleName(*worker.role));
  object.Count("load", int64_t{worker.load});
  object.Count("running", int64_t{status.running});
  object.Count("waiting", int64_t{status.waiting});
  object.Count("prefill_tokens", status.load.prefill_tokens);
  object.Count("decode_sequences", int64_t{status.load.decode_sequences});
  object.Count("prompt_tokens", SumOf(status.metrics, "baton_prompt_tokens_total"));
  object.Count("generated_tokens", SumOf(status.metrics, "baton_generated_tokens_total"));
  object.Count("prefix_hit_tokens", SumOf(status.metrics, "baton_prefix_hit_tokens_total"));
  object.Count("handoff_bytes", SumOf(status.metrics, "baton_handoff_bytes_total"));
  AppendByLabel(object.Field("kv_blocks"), status.metrics, "baton_kv_blocks", "state");
  AppendByLabel(object.Field("handoffs"), status.metrics, "baton_handoffs_active", "state");
  AppendArray(object.Field("joined"), status.joined_peers, [&](const std::string& peer) {
    api::AppendJsonString(out, text::ToValidUtf8(peer));
  });
  AppendArray(object.Field("join_problems"), status.join_problems, [&](const auto& problem) {
    Object entry(out);
    entry.Text("peer", problem.peer);
    entry.Text("problem", problem.problem);
  });
}

void AppendFlow(std::string& out, const Flow& flow) {
  Object object(out);
  object.Text("from", flow.from);
  object.Text("to", flow.to);
  object.Count("in_flight", int64_t{flow.in_flight});
  object.Count("done", flow.done);
  object.Count("tokens", flow.tokens);
}

/// Decisions of all workers that are there, by where and why.
std::map<std::pair<std::string, std::string>, double> Decisions(const FleetState& fleet) {
  std::map<std::pair<std::string, std::string>, double> decisions;
  for (const WorkerState& worker : fleet.workers) {
    for (const telemetry::MetricFamily& family : worker.status.metrics.families) {
      if (family.name != "baton_decisions_total") continue;
      for (const auto& sample : family.samples) {
        decisions[{LabelOf(sample, "where"), LabelOf(sample, "reason")}] += sample.value;
      }
    }
  }
  return decisions;
}

}  // namespace

std::string FleetJson(const FleetState& fleet, const MetricsSnapshot& router) {
  std::string out;
  {
    Object object(out);
    AppendRouter(object.Field("router"), fleet, router);
    AppendArray(object.Field("workers"), fleet.workers,
                [&](const WorkerState& worker) { AppendWorker(out, worker); });
    AppendArray(object.Field("flows"), fleet.flows,
                [&](const Flow& flow) { AppendFlow(out, flow); });
    AppendArray(object.Field("decisions"), Decisions(fleet), [&](const auto& decision) {
      Object entry(out);
      entry.Text("where", decision.first.first);
      entry.Text("reason", decision.first.second);
      entry.Count("count", decision.second);
    });
  }
  return out;
}

}  // namespace baton::router
