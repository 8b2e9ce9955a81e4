#include <csignal>
#include <cstdio>
#include <string>

#include "baton/app/commands.h"
#include "baton/app/stop_on_signal.h"
#include "baton/loadgen/probe.h"
#include "baton/loadgen/report.h"
#include "load_maker.h"
#include "progress.h"
#include "report_files.h"

namespace baton::app {
namespace {

/// Of the warm-up; measured rounds follow.
constexpr uint64_t kWarmupRound = 0;

std::string Short(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

/// A measured load, and its records where they are wanted.
struct Measured {
  double rate = 0;
  loadgen::RunReport run;
  std::vector<loadgen::Record> records;
};

class Bench {
 public:
  Bench(const BenchFlags& flags, const BenchPlan& plan, LoadMaker maker, Clock& clock)
      : flags_(flags),
        plan_(plan),
        maker_(std::move(maker)),
        clock_(clock),
        display_(clock, flags.quiet),
        signals_(clock) {}

  /// Finds out what the server is and has.
  Status Meet() {
    BATON_ASSIGN_OR_RETURN(client_, loadgen::MakeCurlClient(flags_.server));
    BATON_ASSIGN_OR_RETURN(format_.model, FindModel(*client_, flags_.server.url, flags_.model));
    format_.chat = flags_.endpoint == "chat";
    format_.temperature = flags_.temperature;
    format_.ignore_eos = !flags_.no_ignore_eos;
    format_.extra = flags_.extra_body;
    loadgen::WordCount count;
    if (flags_.prompts.empty()) {
      count = CountWords(*client_, format_.model, format_.chat);
      lengths_by_ = count.how;
    } else {
      lengths_by_ = "counted by the server, as they are texts";
    }
    prompts_ = maker_.MakePrompts(std::move(count.words));
    return OkStatus();
  }

  /// Fails with Unavailable when not even the warm-up is answered.
  Result<loadgen::Report> Run() {
    loadgen::Report report{.label = flags_.label,
                           .version = BATON_VERSION,
                           .started_unix_s = clock_.UnixSeconds(),
                           .settings = Settings()};
    BATON_RETURN_IF_ERROR(WarmUp());
    Measured measured;
    if (flags_.goodput) {
      measured = Search(report.goodput.emplace());
    } else {
      measured = Measure(1, std::nullopt, Title());
    }
    display_.Clear();
    report.run = std::move(measured.run);
    report.records = std::move(measured.records);
    return report;
  }

 private:
  loadgen::LoadResult Load(loadgen::LoadOptions options) {
    options.format = format_;
    options.timeout =
        std::chrono::duration_cast<Duration>(std::chrono::duration<double>(flags_.timeout_s));
    const loadgen::LoadParts parts{
        .clock = clock_,
        .client = *client_,
        .prompts = *prompts_,
        .watch = [this](const loadgen::LoadProgress& progress) { display_.Show(progress); },
        .stop = signals_.token()};
    return RunLoad(parts, options);
  }

  Status WarmUp() {
    if (flags_.warmup == 0) return OkStatus();
    display_.Begin("warm-up: " + std::to_string(flags_.warmup) + " requests");
    loadgen::LoadOptions options = maker_.MakeWarmup(flags_.warmup);
    options.round = kWarmupRound;
    const loadgen::LoadResult result = Load(std::move(options));
    for (const loadgen::Record& record : result.records) {
      if (record.outcome == loadgen::Outcome::kFailed) {
        return Unavailable("the warm-up failed: " + record.error + ": " + record.message);
      }
    }
    return OkStatus();
  }

  Measured Measure(uint64_t round, std::optional<double> rate, const std::string& title) {
    display_.Begin(title);
    loadgen::LoadResult result = Load(maker_.MakeLoad(round, rate));
    Measured measured{.rate = rate.value_or(0), .run = MakeRunReport(result, plan_.slos)};
    if (flags_.records) measured.records = std::move(result.records);
    return measured;
  }

  /// Fills `report` and returns its step at the first SLO's goodput, or else the last.
  Measured Search(loadgen::GoodputReport& report) {
    report.goal = flags_.goal;
    std::vector<loadgen::GoodputSearch> searches;
    loadgen::GoodputOptions options = plan_.search;
    // All steps count in every search.
    options.steps *= static_cast<int>(plan_.slos.size());
    for (size_t i = 0; i < plan_.slos.size(); ++i) searches.emplace_back(options);
    std::vector<Measured> steps;
    for (const loadgen::GoodputSearch& search : searches) {
      while (const std::optional<double> rate = NextRate(search)) {
        steps.push_back(Measure(steps.size() + 1, *rate, StepTitle(steps.size() + 1, *rate)));
        if (steps.back().run.stopped) break;
        report.steps.push_back(StepOf(steps.back()));
        for (size_t i = 0; i < searches.size(); ++i) {
          searches[i].Add(*rate, steps.back().run.slos[i].attainment.both);
        }
      }
    }
    for (size_t i = 0; i < searches.size(); ++i) {
      report.goodputs.push_back({plan_.slos[i], searches[i].goodput(), searches[i].bounded()});
    }
    // Stopped before the first.
    if (steps.empty()) return {.run = MakeRunReport({.stopped = true}, plan_.slos)};
    for (Measured& step : steps) {
      if (step.rate == searches.front().goodput()) return std::move(step);
    }
    return std::move(steps.back());
  }

  std::optional<double> NextRate(const loadgen::GoodputSearch& search) const {
    if (signals_.token().stop_requested()) return std::nullopt;
    return search.Next();
  }

  static loadgen::GoodputStep StepOf(const Measured& measured) {
    const loadgen::Figures& figures = measured.run.figures;
    loadgen::GoodputStep step{.rate = measured.rate,
                              .ttft_p90_ms = figures.ttft_ms.p90,
                              .tpot_p90_ms = figures.tpot_ms.p90,
                              .requests = figures.done + figures.failed,
                              .failed = figures.failed};
    for (const loadgen::SloReport& each : measured.run.slos) {
      step.attainments.push_back(each.attainment);
    }
    return step;
  }

  std::string LoopName() const {
    switch (plan_.loop) {
      case LoopKind::kClosed: return "closed loop";
      case LoopKind::kTrace: return "trace times";
      case LoopKind::kOpen: break;
    }
    return flags_.arrivals.empty() ? "poisson arrivals" : flags_.arrivals + " arrivals";
  }

  std::string Title() const {
    std::string load = LoopName();
    if (flags_.concurrency > 0) load += ", " + std::to_string(flags_.concurrency) + " at once";
    if (flags_.rate > 0) load += ", " + Short(flags_.rate) + " requests/s";
    return format_.model + " at " + flags_.server.url + ": " + load + "; prompts " + lengths_by_;
  }

  static std::string StepTitle(size_t number, double rate) {
    return "step " + std::to_string(number) + ": " + Short(rate) + " requests/s";
  }

  std::vector<loadgen::Setting> Settings() const {
    std::vector<loadgen::Setting> settings = {
        {"url", flags_.server.url},
        {"endpoint", loadgen::CompletionPath(format_)},
        {"model", format_.model},
        {"loop", plan_.loop == LoopKind::kClosed ? std::string("closed") : std::string("open")},
        {"arrivals", LoopName()},
    };
    const auto number = [&](const char* name, double value) {
      if (value > 0) settings.push_back({name, value});
    };
    const auto text = [&](const char* name, const std::string& value) {
      if (!value.empty()) settings.push_back({name, value});
    };
    number("rate", flags_.rate);
    number("cv", flags_.cv);
    number("concurrency", flags_.concurrency);
    number("requests", static_cast<double>(flags_.requests));
    number("duration_s", flags_.duration_s);
    number("warmup", flags_.warmup);
    settings.push_back({"seed", static_cast<double>(flags_.seed)});
    text("prompts", maker_.prompts_kind());
    text("trace", flags_.trace);
    number("time_scale", flags_.time_scale);
    if (!flags_.trace.empty()) number("length_scale", flags_.length_scale);
    number("max_prompt_tokens", flags_.max_prompt_tokens);
    number("max_output_tokens", flags_.max_output_tokens);
    text("prompts_file", flags_.prompts);
    if (flags_.trace.empty() && flags_.prompts.empty()) {
      text("prompt_tokens", plan_.prompt_tokens.ToString());
    }
    if (flags_.trace.empty()) text("output_tokens", plan_.output_tokens.ToString());
    number("prefix_tokens", flags_.prefix_tokens);
    if (flags_.prefix_tokens > 0) number("prefixes", flags_.prefixes);
    settings.push_back({"ignore_eos", format_.ignore_eos});
    settings.push_back({"temperature", format_.temperature});
    text("lengths", lengths_by_);
    return settings;
  }

  const BenchFlags& flags_;
  const BenchPlan& plan_;
  const LoadMaker maker_;
  Clock& clock_;
  ProgressDisplay display_;
  StopOnSignal signals_;
  std::unique_ptr<loadgen::StreamClient> client_;
  std::unique_ptr<loadgen::Prompts> prompts_;
  loadgen::RequestFormat format_;
  std::string lengths_by_;
};

Result<loadgen::Report> Measure(const BenchFlags& flags, Clock& clock) {
  BATON_ASSIGN_OR_RETURN(const BenchPlan plan, CheckBenchFlags(flags));
  BATON_RETURN_IF_ERROR(CheckWritable("--json", flags.json));
  BATON_RETURN_IF_ERROR(CheckWritable("--html", flags.html));
  BATON_ASSIGN_OR_RETURN(LoadMaker maker, LoadMaker::Make(flags, plan));
  Bench bench(flags, plan, std::move(maker), clock);
  BATON_RETURN_IF_ERROR(bench.Meet());
  return bench.Run();
}

Status Write(const BenchFlags& flags, loadgen::Report& report) {
  std::fputs(ReportTable(report).c_str(), stdout);
  if (!flags.json.empty()) BATON_RETURN_IF_ERROR(WriteReport(flags.json, ReportJson(report)));
  if (flags.html.empty()) return OkStatus();
  // The page shows no single requests.
  report.records.clear();
  return WriteReport(flags.html, loadgen::ReportPage({ReportJson(report)}));
}

Status RunAll(const BenchFlags& flags, Clock& clock, bool& answered) {
  if (!flags.compare.empty()) {
    answered = true;
    if (flags.html.empty()) return InvalidArgument("--compare makes a page: add --html FILE");
    return CompareRuns(flags.compare, flags.html);
  }
  BATON_ASSIGN_OR_RETURN(loadgen::Report report, Measure(flags, clock));
  answered = report.run.figures.done > 0 || report.run.stopped;
  return Write(flags, report);
}

}  // namespace

int RunBench(const CommandLine& command, Clock& clock) {
  // OpenSSL writes to connections that the server has closed.
  std::signal(SIGPIPE, SIG_IGN);
  bool answered = false;
  const Status status = RunAll(command.bench, clock, answered);
  if (status.ok()) return answered ? kExitOk : kExitFailure;
  std::fprintf(stderr, "baton: %s\n", status.message().c_str());
  return ExitCode(status);
}

}  // namespace baton::app
