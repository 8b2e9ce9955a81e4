#include <array>
#include <cmath>
#include <cstdarg>
#include <cstdio>

#include "baton/loadgen/report.h"

namespace baton::loadgen {
namespace {

/// As printf; a line of a table is short.
[[gnu::format(printf, 1, 2)]] std::string Format(const char* format, ...) {
  std::array<char, 512> line;
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line.data(), line.size(), format, arguments);
  va_end(arguments);
  return line.data();
}

/// Three digits that say something: "0.041", "3.72", "125", "12345".
std::string Number(double value) {
  const double size = std::abs(value);
  return Format("%.*f", size < 1 ? 3 : size < 10 ? 2 : size < 100 ? 1 : 0, value);
}

std::string Long(int64_t value) { return std::to_string(value); }

std::string SummaryLine(const char* name, const Summary& summary) {
  std::string line = Format("  %-22s", name);
  if (summary.count == 0) return line + "       -\n";
  for (const double value :
       {summary.mean, summary.p50, summary.p90, summary.p95, summary.p99, summary.max}) {
    line += Format("%9s", Number(value).c_str());
  }
  return line + "\n";
}

std::string Percent(double part) { return Format("%.1f %%", 100 * part); }

std::string Requests(const Figures& figures) {
  std::string text = Format("  requests   %s done", Long(figures.done).c_str());
  if (figures.failed > 0) text += ", " + Long(figures.failed) + " failed";
  if (figures.cancelled > 0) text += ", " + Long(figures.cancelled) + " cancelled";
  text += Format(" in %s s\n", Number(figures.duration_s).c_str());
  for (const auto& [kind, count] : figures.errors) {
    text +=
        "  failed     " + Long(count) + " x " + kind + ": " + figures.error_samples.at(kind) + "\n";
  }
  return text;
}

std::string Throughput(const Figures& figures) {
  if (figures.duration_s <= 0) return "";
  const auto rate = [&](int64_t amount) {
    return Number(static_cast<double>(amount) / figures.duration_s);
  };
  std::string text = "  throughput " + rate(figures.done) + " requests/s, " +
                     rate(figures.prompt_tokens) + " prompt and " + rate(figures.output_tokens) +
                     " output tokens/s\n  tokens     " + Long(figures.prompt_tokens) + " prompt, " +
                     Long(figures.output_tokens) + " output";
  if (figures.without_usage > 0) {
    text += ", of " + Long(figures.without_usage) +
            " answers as planned and by pieces, as the server sent no usage";
  }
  return text + "\n";
}

std::string Times(const RunReport& run) {
  const Figures& figures = run.figures;
  return Format("\n  %-22s%9s%9s%9s%9s%9s%9s\n", "milliseconds", "mean", "p50", "p90", "p95", "p99",
                "max") +
         SummaryLine("TTFT", figures.ttft_ms) + SummaryLine("TPOT", figures.tpot_ms) +
         SummaryLine("ITL", figures.itl_ms) + SummaryLine("E2E", figures.e2e_ms) +
         SummaryLine("TTFT from sending", figures.ttft_from_sent_ms) +
         SummaryLine("E2E from sending", figures.e2e_from_sent_ms) +
         SummaryLine("sent after due", figures.lateness_ms);
}

std::string Slos(const RunReport& run) {
  std::string text;
  for (const SloReport& each : run.slos) {
    text += Format("  SLO        TTFT %s ms, TPOT %s ms: kept by %s (TTFT %s, TPOT %s)\n",
                   Number(each.slo.ttft_ms).c_str(), Number(each.slo.tpot_ms).c_str(),
                   Percent(each.attainment.both).c_str(), Percent(each.attainment.ttft).c_str(),
                   Percent(each.attainment.tpot).c_str());
  }
  return text.empty() ? text : "\n" + text;
}

std::string Goodput(const GoodputReport& goodput) {
  std::string text = "\n  requests/s   kept   TTFT p90   TPOT p90\n";
  for (const GoodputStep& step : goodput.steps) {
    text += Format("  %10s", Number(step.rate).c_str());
    for (const Attainment& each : step.attainments) text += Format("%7.1f", 100 * each.both);
    text +=
        Format("%11s%11s\n", Number(step.ttft_p90_ms).c_str(), Number(step.tpot_p90_ms).c_str());
  }
  for (const GoodputOfSlo& each : goodput.goodputs) {
    text += Format("  goodput    %s requests/s keep TTFT %s ms and TPOT %s ms in %s%s\n",
                   Number(each.requests_per_s).c_str(), Number(each.slo.ttft_ms).c_str(),
                   Number(each.slo.tpot_ms).c_str(), Percent(goodput.goal).c_str(),
                   each.bounded ? "; the search ended at its limit" : "");
  }
  return text;
}

/// What makes the figures doubtful.
std::string Doubts(const RunReport& run) {
  constexpr double kBusy = 0.8;
  constexpr double kLateMs = 20;
  std::string text;
  if (run.stopped) text += "  note       stopped before the end; figures are of what was done\n";
  if (run.cpu_share > kBusy) {
    text += "  note       the generator used " + Percent(run.cpu_share) +
            " of a core and may be what limits\n";
  }
  if (run.figures.lateness_ms.p99 > kLateMs) {
    text += "  note       requests were sent late; times count from when they were due\n";
  }
  return text;
}

}  // namespace

std::string ReportTable(const Report& report) {
  std::string text = report.label.empty() ? "" : "\n" + report.label + "\n";
  text += "\n" + Requests(report.run.figures) + Throughput(report.run.figures) + Times(report.run) +
          Slos(report.run);
  if (report.goodput) text += Goodput(*report.goodput);
  return text + Doubts(report.run);
}

}  // namespace baton::loadgen
