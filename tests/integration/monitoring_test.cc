#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/baton_processes.h"
#include "support/free_port.h"
#include "support/http_client.h"
#include "support/served_baton.h"
#include "support/tiny_model.h"

/// What operators hold on to: the page of all metrics, the alert rules and the dashboard, held
/// against what a server really shows and what Prometheus makes of it.
namespace baton::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::IsEmpty;

const fs::path kSource = BATON_SOURCE_DIR;
const fs::path kMonitoring = kSource / "configs/kubernetes/components/monitoring";

std::string ReadFile(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// What the page, or a scrape, says of a metric.
struct Described {
  std::string type;
  std::set<std::string> labels;
  std::string meaning;
  bool operator==(const Described&) const = default;
};
using Metrics = std::map<std::string, Described>;

std::ostream& operator<<(std::ostream& out, const Described& metric) {
  out << metric.type << " {";
  for (const std::string& label : metric.labels) out << label << " ";
  return out << "} " << metric.meaning;
}

/// The metric that a line of a scrape belongs to.
std::string FamilyOf(const std::string& sample, const Metrics& metrics) {
  const std::string name = sample.substr(0, sample.find_first_of("{ "));
  for (const char* suffix : {"_bucket", "_sum", "_count"}) {
    if (!name.ends_with(suffix)) continue;
    const std::string family = name.substr(0, name.size() - std::string(suffix).size());
    const auto found = metrics.find(family);
    if (found != metrics.end() && found->second.type == "histogram") return family;
  }
  return name;
}

void AddLabels(const std::string& sample, std::set<std::string>& labels) {
  const size_t open = sample.find('{');
  if (open == std::string::npos) return;
  // Names stand before `="`; no value here contains that.
  for (size_t at = open; (at = sample.find("=\"", at)) != std::string::npos; ++at) {
    const size_t begin = sample.find_last_of("{,", at) + 1;
    const std::string label = sample.substr(begin, at - begin);
    if (label != "le") labels.insert(label);
  }
}

Metrics FromScrape(const std::string& text) {
  Metrics metrics;
  for (const std::string& line : Lines(text)) {
    std::istringstream words(line);
    std::string hash, kind, name;
    if (line.starts_with("# ")) {
      words >> hash >> kind >> name;
      std::string rest;
      std::getline(words >> std::ws, rest);
      (kind == "TYPE" ? metrics[name].type : metrics[name].meaning) = rest;
    } else if (!line.empty()) {
      AddLabels(line, metrics[FamilyOf(line, metrics)].labels);
    }
  }
  return metrics;
}

/// The cells of `| a | b |`, without back-quotes.
std::vector<std::string> Cells(const std::string& row) {
  std::vector<std::string> cells;
  std::istringstream in(row.substr(1));
  for (std::string cell; std::getline(in, cell, '|');) {
    std::erase(cell, '`');
    const size_t begin = cell.find_first_not_of(' ');
    cells.push_back(begin == std::string::npos
                        ? ""
                        : cell.substr(begin, cell.find_last_not_of(' ') + 1 - begin));
  }
  return cells;
}

Metrics FromPage() {
  Metrics metrics;
  for (const std::string& line : Lines(ReadFile(kSource / "configs/metrics.md"))) {
    if (!line.starts_with("| `")) continue;
    const std::vector<std::string> cells = Cells(line);
    Described& metric = metrics[cells.at(0)];
    metric.type = cells.at(1);
    std::istringstream labels(cells.at(2));
    for (std::string label; std::getline(labels >> std::ws, label, ',');)
      metric.labels.insert(label);
    metric.meaning = cells.at(4);
  }
  return metrics;
}

/// Units stand in names, as Prometheus has it; cells of the page say them once more.
std::string UnitNamed(const std::string& metric) {
  for (const char* unit : {"seconds", "bytes", "tokens", "blocks", "requests"}) {
    if (metric.find(unit) != std::string::npos) return unit;
  }
  return "";
}

/// What is shown once something has happened, or was measured.
const std::set<std::string> kLate = {
    "baton_role_changes_total", "baton_layer_group", "baton_transport_put_seconds",
    "baton_transport_transfer_seconds", "baton_transport_bytes_per_second"};

/// Prompts that are split, answered by a grammar, wrong, and cut off.
void Use(const ServedBaton& server) {
  for (int i = 0; i < 3; ++i) {
    json body{{"prompt", "The relay passes the baton " + std::to_string(i) + " times"},
              {"max_tokens", 8},
              {"ignore_eos", true},
              {"baton", {{"ttft_slo_ms", 60000}, {"tpot_slo_ms", 60000}}}};
    EXPECT_EQ(HttpPost(server.port(), "/v1/completions", body.dump()).status, 200);
  }
  EXPECT_EQ(HttpPost(server.port(), "/v1/completions", "{").status, 400);
}

TEST(MetricsPage, SaysOfEachMetricWhatAScrapeShows) {
  const testing_support::TemporaryFolder traces;
  // Nobody takes spans there; that they are to be sent is enough.
  ServedBaton server({.yaml = "telemetry: {trace_folder: '" + traces.path().string() +
                              "', otlp: {endpoint: 'http://127.0.0.1:9/v1/traces'}}\n"});
  ASSERT_TRUE(server.WaitReady());
  Use(server);
  const Metrics page = FromPage();
  Metrics scraped;
  const auto lacks = [&](const auto& row) {
    return !scraped.contains(row.first) && !kLate.contains(row.first);
  };
  // Workers send theirs a few times a second.
  ServedBaton::Until(
      [&] {
        scraped = FromScrape(HttpGet(server.port(), "/metrics").body);
        return std::none_of(page.begin(), page.end(), lacks);
      },
      std::chrono::seconds(20));

  for (const auto& [name, metric] : scraped) {
    ASSERT_TRUE(page.contains(name)) << "configs/metrics.md has no row for " << name;
    EXPECT_EQ(page.at(name), metric) << name;
  }
  for (const auto& row : page) {
    EXPECT_FALSE(lacks(row)) << "configs/metrics.md has a row too many: " << row.first;
  }
}

TEST(MetricsPage, NamesUnitsAsTheMetricsThemselvesDo) {
  for (const std::string& line : Lines(ReadFile(kSource / "configs/metrics.md"))) {
    if (!line.starts_with("| `")) continue;
    const std::vector<std::string> cells = Cells(line);
    const std::string& name = cells.at(0);
    EXPECT_EQ(cells.at(1) == "counter", name.ends_with("_total")) << name;
    const std::string unit = UnitNamed(name);
    EXPECT_THAT(cells.at(3), testing::HasSubstr(unit)) << name;
  }
}

TEST(MetricsPage, ShowsTheNamesThatOtherToolsRead) {
  ServedBaton server({.prefill = 0, .decode = 0, .mixed = 1});
  ASSERT_TRUE(server.WaitReady());

  const std::string text = HttpGet(server.port(), "/metrics").body;

  for (const char* sample :
       {"vllm:num_requests_waiting{worker=\"m0\"} 0", "vllm:num_requests_running{worker=\"m0\"} 0",
        "vllm:kv_cache_usage_perc{worker=\"m0\"} 0"}) {
    EXPECT_THAT(text, testing::HasSubstr(sample));
  }
}

/// The output of promtool, or of nothing where it failed to start.
struct Promtool {
  int exit_code = -1;
  std::string output;
};

Promtool RunPromtool(std::vector<std::string> words) {
  BatonProcesses processes;
  words.insert(words.begin(), "/usr/bin/promtool");
  processes.Start("promtool", words);
  const int exit_code = processes.WaitExit("promtool", std::chrono::seconds(60));
  return {exit_code, processes.log()};
}

/// The rules as Prometheus reads them: what stands below spec of the PrometheusRule.
std::string Rules() {
  std::string rules;
  bool within = false;
  for (const std::string& line : Lines(ReadFile(kMonitoring / "alerts.yaml"))) {
    if (within) rules += line.substr(std::min<size_t>(2, line.size())) + "\n";
    within |= line == "spec:";
  }
  return rules;
}

class Alerts : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists("/usr/bin/promtool")) GTEST_SKIP() << "Debian's prometheus is not installed";
  }
  /// What the tests of the rules say of `rules`.
  Promtool Test(const std::string& rules) {
    testing_support::WriteFile(folder_.path() / "rules.yaml", rules);
    fs::copy_file(kSource / "tests/integration/monitoring/alerts_test.yaml",
                  folder_.path() / "tests.yaml", fs::copy_options::overwrite_existing);
    return RunPromtool({"test", "rules", (folder_.path() / "tests.yaml").string()});
  }

  testing_support::TemporaryFolder folder_;
};

TEST_F(Alerts, AreRulesThatPrometheusReads) {
  testing_support::WriteFile(folder_.path() / "rules.yaml", Rules());

  const Promtool check = RunPromtool(
      {"check", "rules", "--lint=all", "--lint-fatal", (folder_.path() / "rules.yaml").string()});

  EXPECT_EQ(check.exit_code, 0) << check.output;
}

TEST_F(Alerts, FireForWhatIsWrongAndForNothingElse) {
  const Promtool test = Test(Rules());
  EXPECT_EQ(test.exit_code, 0) << test.output;
}

/// So that the tests of the rules can fail at all, for each of them.
TEST_F(Alerts, AreEachHeldByATest) {
  const std::vector<std::string> lines = Lines(Rules());
  int rules = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].find("- alert: ") == std::string::npos) continue;
    ++rules;
    std::string renamed;
    for (size_t j = 0; j < lines.size(); ++j) renamed += lines[j] + (i == j ? "X\n" : "\n");
    EXPECT_EQ(Test(renamed).exit_code, 1) << "nothing is tested of " << lines[i];
  }
  EXPECT_GT(rules, 10);
}

TEST_F(Alerts, AreAboutMetricsThatThereAre) {
  const Metrics page = FromPage();
  const std::string rules = Rules();
  for (size_t at = 0; (at = rules.find("baton_", at)) != std::string::npos;) {
    const size_t end = rules.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_", at);
    std::string name = rules.substr(at, end - at);
    at = end;
    if (name.ends_with("_bucket")) name.resize(name.size() - 7);
    EXPECT_TRUE(page.contains(name)) << name;
  }
}

/// A Prometheus that scrapes a server each second.
class Dashboard : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists("/usr/bin/prometheus")) GTEST_SKIP() << "Debian's prometheus is not installed";
    ASSERT_TRUE(server_.WaitReady());
    const std::string target = "127.0.0.1:" + std::to_string(server_.port());
    testing_support::WriteFile(folder_.path() / "prometheus.yml",
                               "global: {scrape_interval: 1s}\n"
                               "scrape_configs: [{job_name: baton, static_configs: [{targets: ['" +
                                   target + "']}]}]\n");
    prometheus_.Start(
        "prometheus",
        {"/usr/bin/prometheus", "--config.file=" + (folder_.path() / "prometheus.yml").string(),
         "--storage.tsdb.path=" + (folder_.path() / "data").string(),
         "--web.listen-address=127.0.0.1:" + std::to_string(port_), "--log.level=error"});
    ASSERT_TRUE(ServedBaton::Until([&] { return HttpGet(port_, "/-/ready").status == 200; },
                                   std::chrono::seconds(60)))
        << prometheus_.log();
  }
  /// What Prometheus answers to a query of the dashboard.
  json Ask(std::string query) const {
    Replace(query, "$__rate_interval", "1m");
    Replace(query, "$worker", ".*");
    std::string escaped;
    for (const char c : query) {
      char hex[4];
      std::snprintf(hex, sizeof hex, "%%%02X", static_cast<unsigned char>(c));
      escaped += hex;
    }
    return json::parse(HttpGet(port_, "/api/v1/query?query=" + escaped).body, nullptr, false);
  }
  /// Some series of the answer has a number.
  static bool HasData(const json& answer) {
    if (!answer.is_object() || answer["status"] != "success") return false;
    for (const json& series : answer["data"]["result"]) {
      if (series["value"][1] != "NaN") return true;
    }
    return false;
  }
  static void Replace(std::string& text, const std::string& from, const std::string& to) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
    }
  }

  testing_support::TemporaryFolder folder_;
  const uint16_t port_ = FreePort();
  ServedBaton server_;
  BatonProcesses prometheus_;
};

TEST_F(Dashboard, ShowsDataInEveryPanel) {
  const json dashboard = json::parse(ReadFile(kMonitoring / "dashboard.json"));
  std::vector<std::string> without;
  for (const json& panel : dashboard["panels"]) {
    if (!panel.contains("targets")) continue;
    for (const json& target : panel["targets"]) {
      without.push_back(target["expr"].get<std::string>());
    }
  }
  ASSERT_GT(without.size(), 40u);
  std::vector<std::string> late;
  std::erase_if(without, [&](const std::string& query) {
    const bool is_late = std::any_of(kLate.begin(), kLate.end(), [&](const std::string& metric) {
      return query.find(metric) != std::string::npos;
    });
    if (is_late) late.push_back(query);
    return is_late;
  });

  // Rates need work between two scrapes.
  ServedBaton::Until(
      [&] {
        Use(server_);
        std::erase_if(without, [&](const std::string& query) { return HasData(Ask(query)); });
        return without.empty();
      },
      std::chrono::seconds(60));

  for (const std::string& query : late) EXPECT_EQ(Ask(query)["status"], "success") << query;
  EXPECT_THAT(without, IsEmpty()) << (without.empty() ? "" : Ask(without.front()).dump());
}

TEST_F(Dashboard, HasNoPanelOnAnother) {
  std::set<std::pair<int, int>> taken;
  std::set<int> ids;
  for (const json& panel : json::parse(ReadFile(kMonitoring / "dashboard.json"))["panels"]) {
    EXPECT_TRUE(ids.insert(panel["id"].get<int>()).second) << panel["title"];
    const json& at = panel["gridPos"];
    for (int x = at["x"]; x < at["x"].get<int>() + at["w"].get<int>(); ++x) {
      EXPECT_LT(x, 24) << panel["title"];
      for (int y = at["y"]; y < at["y"].get<int>() + at["h"].get<int>(); ++y) {
        EXPECT_TRUE(taken.emplace(x, y).second) << panel["title"];
      }
    }
  }
}

}  // namespace
}  // namespace baton::test
