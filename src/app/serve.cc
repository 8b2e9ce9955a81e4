#include <algorithm>
#include <cstdio>

#include <unistd.h>

#include "baton/app/commands.h"
#include "baton/app/cores.h"
#include "baton/app/deployment.h"
#include "baton/app/model_folder.h"
#include "baton/app/notify.h"
#include "baton/app/supervisor.h"

namespace baton::app {
namespace {

LogOutputOptions LogOptionsFor(const std::vector<ProcessSpec>& processes, bool json) {
  LogOutputOptions options{.fd = STDERR_FILENO, .colour = isatty(STDERR_FILENO) == 1, .json = json};
  for (const ProcessSpec& process : processes) {
    options.name_width = std::max(options.name_width, process.name.size());
  }
  return options;
}

/// Says what runs with how many threads: "p0 and 3 others ..." would hide who has how many.
void DescribeWorkers(LogOutput& log, const Deployment& deployment, int32_t cores) {
  std::string text = std::to_string(cores) + (cores == 1 ? " core:" : " cores:");
  for (const PlannedWorker& worker : deployment.workers) {
    text += " " + worker.name + " " + std::to_string(worker.threads) +
            (worker.threads == 1 ? " thread" : " threads");
    if (worker.ranks > 1) text += " in " + std::to_string(worker.ranks) + " ranks";
    if (!worker.followers.empty()) {
      text += " on " + std::to_string(worker.followers.size() + 1) + " nodes";
    }
    if (worker.device != "cpu") text += " and " + worker.device;
    if (!worker.cores.empty()) text += " on " + FormatCores(worker.cores);
    text += " at " + worker.address;
    if (&worker != &deployment.workers.back()) text += ",";
  }
  log.Note(text);
}

class ReadyLine {
 public:
  ReadyLine(const config::Config& config, Clock& clock)
      : clock_(clock),
        started_(clock.Now()),
        what_("model " + config.ModelName() + ", " + DescribeGroups(config.workers)) {}

  void Print(const std::string& url) {
    if (printed_) return;
    printed_ = true;
    std::printf("baton ready: %s (%s) in %.2f s\n", url.c_str(), what_.c_str(),
                Seconds(clock_.Now() - started_));
    std::fflush(stdout);
    NotifyReady(url);
  }

 private:
  Clock& clock_;
  const TimePoint started_;
  const std::string what_;
  bool printed_ = false;
};

}  // namespace

int RunServe(const CommandLine& command, const config::Loaded& loaded, Clock& clock) {
  const config::Config& config = loaded.config;
  ReadyLine ready(config, clock);
  // Before anything that can take long, so that no signal is lost.
  const FileDescriptor signals(MakeSignalDescriptor());
  const int32_t cores = AvailableCores();
  Status model = CheckModelFolder(config.model, config.engine.load == "random");
  if (model.ok()) model = CheckTensorParallelism(config);
  Result<Deployment> deployment = model.ok() ? PlanDeployment(config, cores) : model;
  if (!deployment.ok()) {
    std::fprintf(stderr, "baton: %s\n", deployment.status().message().c_str());
    return ExitCode(deployment.status());
  }
  std::vector<ProcessSpec> processes = ProcessesOf(*deployment, command.sources);
  SupervisorOptions options;
  options.restart = config.restart;
  options.drain = config.timeouts.drain;
  options.stop = config.timeouts.stop;
  options.log = LogOptionsFor(processes, config.telemetry.json_logs());
  options.on_ready = [&](const std::string& name, const auto& notes) {
    if (name == "router") ready.Print(notes.contains("URL") ? notes.at("URL") : "");
  };
  LogOutput log(options.log);
  for (const std::string& warning : loaded.warnings) log.Warn(warning);
  DescribeWorkers(log, *deployment, cores);
  Supervisor supervisor(std::move(options), std::move(processes), clock);
  return ExitCode(supervisor.Run(signals.get()));
}

}  // namespace baton::app
