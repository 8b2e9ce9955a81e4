#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "baton/loadgen/load_run.h"
#include "baton/loadgen/slo.h"
#include "baton/loadgen/statistics.h"

namespace baton::loadgen {

/// Of what ReportJson() writes: changes when a field changes its meaning or goes.
inline constexpr char kReportSchema[] = "baton-bench/1";

/// What was asked of the server and of the load, by the names that the JSON has.
struct Setting {
  std::string name;
  std::variant<std::string, double, bool> value;
};

struct SloReport {
  Slo slo;
  Attainment attainment;
  std::vector<AttainmentPoint> curve;
};

/// One load and what it measured.
struct RunReport {
  Figures figures;
  std::vector<SloReport> slos;
  Timeline timeline;
  bool stopped = false;
  /// The generator's part of one core.
  double cpu_share = 0;
};
RunReport MakeRunReport(const LoadResult& result, const std::vector<Slo>& slos);

/// One rate of a search.
struct GoodputStep {
  double rate = 0;
  /// By SLO, in their order.
  std::vector<Attainment> attainments;
  double ttft_p90_ms = 0;
  double tpot_p90_ms = 0;
  int64_t requests = 0;
  int64_t failed = 0;
};
struct GoodputOfSlo {
  Slo slo;
  /// Requests per second; 0 where no rate reached the goal.
  double requests_per_s = 0;
  /// The search ended at a limit of its own: the true rate lies beyond.
  bool bounded = false;
};
struct GoodputReport {
  double goal = 0.9;
  std::vector<GoodputOfSlo> goodputs;
  /// In the order in which they were measured.
  std::vector<GoodputStep> steps;
};

struct Report {
  std::string label;
  std::string version;
  int64_t started_unix_s = 0;
  std::vector<Setting> settings;
  /// Of a search: its step at the goodput of the first SLO, or else its last.
  RunReport run;
  std::optional<GoodputReport> goodput;
  /// In the JSON if present.
  std::vector<Record> records;
};

/// The schema is in src/loadgen/README.md.
std::string ReportJson(const Report& report);
/// For a terminal.
std::string ReportTable(const Report& report);
/// One page with plots that needs nothing else. `reports`: as ReportJson() writes them, more than
/// one to be compared.
std::string ReportPage(const std::vector<std::string>& reports);

}  // namespace baton::loadgen
