#include <cmath>

#include <nlohmann/json.hpp>

#include "baton/loadgen/report.h"

namespace baton::loadgen {
namespace {

using Json = nlohmann::ordered_json;

/// Points of a cumulative distribution beside its least value.
constexpr int kCdfPoints = 200;

/// To six digits: more is noise, and makes the file long.
double Rounded(double value) {
  if (value == 0 || !std::isfinite(value)) return 0;
  const double scale = std::pow(10, 5 - std::floor(std::log10(std::abs(value))));
  return std::round(value * scale) / scale;
}

Json Rounded(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) list.push_back(Rounded(value));
  return list;
}

Json ToJson(const Summary& summary) {
  return {{"count", summary.count},      {"mean", Rounded(summary.mean)},
          {"p50", Rounded(summary.p50)}, {"p90", Rounded(summary.p90)},
          {"p95", Rounded(summary.p95)}, {"p99", Rounded(summary.p99)},
          {"max", Rounded(summary.max)}};
}

/// The values at even steps of probability from 0 to 1.
Json Cdf(const Summary& summary) {
  Json values = Json::array();
  if (summary.sorted.empty()) return values;
  for (int i = 0; i <= kCdfPoints; ++i) {
    const double q = static_cast<double>(i) / kCdfPoints;
    values.push_back(Rounded(Percentile(summary.sorted, q)));
  }
  return values;
}

Json ToJson(const Slo& slo) { return {{"ttft_ms", slo.ttft_ms}, {"tpot_ms", slo.tpot_ms}}; }

Json ToJson(const Attainment& attainment) {
  return {{"both", Rounded(attainment.both)},
          {"ttft", Rounded(attainment.ttft)},
          {"tpot", Rounded(attainment.tpot)}};
}

double PerSecond(double amount, const Figures& figures) {
  return figures.duration_s > 0 ? Rounded(amount / figures.duration_s) : 0;
}

Json ErrorsJson(const Figures& figures) {
  Json errors = Json::array();
  for (const auto& [kind, count] : figures.errors) {
    errors.push_back(
        {{"kind", kind}, {"count", count}, {"example", figures.error_samples.at(kind)}});
  }
  return errors;
}

Json SlosJson(const RunReport& run) {
  Json slos = Json::array();
  for (const SloReport& each : run.slos) {
    Json curve = Json::array();
    for (const AttainmentPoint& point : each.curve) {
      curve.push_back({Rounded(point.scale), Rounded(point.attainment)});
    }
    Json slo = ToJson(each.slo);
    slo["attainment"] = ToJson(each.attainment);
    slo["within_slo_per_s"] = PerSecond(
        each.attainment.both * static_cast<double>(each.attainment.requests), run.figures);
    slo["curve"] = std::move(curve);
    slos.push_back(std::move(slo));
  }
  return slos;
}

Json CountsJson(const Figures& figures) {
  const char* counted = figures.without_usage == 0              ? "usage"
                        : figures.without_usage == figures.done ? "pieces"
                                                                : "both";
  return {
      {"requests",
       {{"done", figures.done}, {"failed", figures.failed}, {"cancelled", figures.cancelled}}},
      {"errors", ErrorsJson(figures)},
      {"tokens",
       {{"prompt", figures.prompt_tokens},
        {"output", figures.output_tokens},
        {"counted_by", counted}}},
      {"throughput",
       {{"requests_per_s", PerSecond(static_cast<double>(figures.done), figures)},
        {"prompt_tokens_per_s", PerSecond(static_cast<double>(figures.prompt_tokens), figures)},
        {"output_tokens_per_s", PerSecond(static_cast<double>(figures.output_tokens), figures)}}}};
}

Json RunJson(const RunReport& run) {
  const Figures& figures = run.figures;
  Json json = {{"duration_s", Rounded(figures.duration_s)}, {"stopped", run.stopped}};
  json.update(CountsJson(figures));
  json["ttft_ms"] = ToJson(figures.ttft_ms);
  json["tpot_ms"] = ToJson(figures.tpot_ms);
  json["itl_ms"] = ToJson(figures.itl_ms);
  json["e2e_ms"] = ToJson(figures.e2e_ms);
  json["from_sent"] = {{"ttft_ms", ToJson(figures.ttft_from_sent_ms)},
                       {"e2e_ms", ToJson(figures.e2e_from_sent_ms)}};
  json["generator"] = {{"lateness_ms", ToJson(figures.lateness_ms)},
                       {"cpu_share", Rounded(run.cpu_share)}};
  json["slos"] = SlosJson(run);
  json["timeline"] = {{"interval_s", run.timeline.interval_s},
                      {"waiting", Rounded(run.timeline.waiting)},
                      {"running", Rounded(run.timeline.running)},
                      {"output_tokens_per_s", Rounded(run.timeline.output_tokens_per_s)}};
  json["cdf"] = {{"ttft_ms", Cdf(figures.ttft_ms)},
                 {"tpot_ms", Cdf(figures.tpot_ms)},
                 {"itl_ms", Cdf(figures.itl_ms)},
                 {"e2e_ms", Cdf(figures.e2e_ms)}};
  return json;
}

Json GoodputJson(const GoodputReport& goodput) {
  Json slos = Json::array();
  for (const GoodputOfSlo& each : goodput.goodputs) {
    Json slo = ToJson(each.slo);
    slo["requests_per_s"] = Rounded(each.requests_per_s);
    slo["bounded"] = each.bounded;
    slos.push_back(std::move(slo));
  }
  Json steps = Json::array();
  for (const GoodputStep& step : goodput.steps) {
    Json attainments = Json::array();
    for (const Attainment& each : step.attainments) attainments.push_back(ToJson(each));
    steps.push_back({{"rate", Rounded(step.rate)},
                     {"attainments", std::move(attainments)},
                     {"ttft_p90_ms", Rounded(step.ttft_p90_ms)},
                     {"tpot_p90_ms", Rounded(step.tpot_p90_ms)},
                     {"requests", step.requests},
                     {"failed", step.failed}});
  }
  return {{"goal", goodput.goal}, {"slos", std::move(slos)}, {"steps", std::move(steps)}};
}

const char* Name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kDone: return "done";
    case Outcome::kFailed: return "failed";
    case Outcome::kCancelled: break;
  }
  return "cancelled";
}

/// Milliseconds to the microsecond.
double Exact(Duration duration) { return std::round(1e6 * Seconds(duration)) / 1e3; }

Json RecordJson(const Record& record) {
  Json pieces = Json::array();
  for (const Duration piece : record.pieces) pieces.push_back(Exact(piece));
  Json json = {{"index", record.index},
               {"outcome", Name(record.outcome)},
               {"due_ms", Exact(record.due)},
               {"sent_ms", Exact(record.sent)},
               {"pieces_ms", std::move(pieces)},
               {"end_ms", Exact(record.end)},
               {"planned_prompt_tokens", record.planned_prompt_tokens},
               {"asked_output_tokens", record.asked_output_tokens},
               {"prompt_tokens", record.prompt_tokens},
               {"output_tokens", record.output_tokens}};
  if (!record.error.empty()) json["error"] = record.error + ": " + record.message;
  return json;
}

}  // namespace

std::string ReportJson(const Report& report) {
  Json settings = Json::object();
  for (const Setting& setting : report.settings) {
    std::visit([&](const auto& value) { settings[setting.name] = value; }, setting.value);
  }
  Json json = {{"schema", kReportSchema},         {"label", report.label},
               {"baton_version", report.version}, {"started_unix_s", report.started_unix_s},
               {"settings", std::move(settings)}, {"run", RunJson(report.run)}};
  if (report.goodput) json["goodput"] = GoodputJson(*report.goodput);
  if (!report.records.empty()) {
    json["records"] = Json::array();
    for (const Record& record : report.records) json["records"].push_back(RecordJson(record));
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace baton::loadgen
