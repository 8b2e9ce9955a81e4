#include <atomic>
#include <memory>
#include <vector>

#include "baton/app/commands.h"
#include "baton/app/cores.h"
#include "baton/app/notify.h"
#include "baton/app/options.h"
#include "baton/app/stop_on_signal.h"
#include "baton/base/logging.h"
#include "baton/worker/worker.h"
#include "worker_front.h"

namespace baton::app {

int RunWorker(const CommandLine& command, const config::Loaded& loaded, Clock& clock) {
  const bool both = command.workers.size() == 2;
  if (both && !loaded.config.workers.one_process) {
    BATON_LOG(Error) << "--role both needs workers.one_process: true";
    return kExitUsage;
  }
  if (!both && loaded.config.workers.one_process && command.workers[0].role != Role::kMixed) {
    BATON_LOG(Error) << "workers.one_process is true; start both workers with --role both";
    return kExitUsage;
  }
  const size_t most = command.workers.size();
  std::atomic<size_t> ready{0};
  std::vector<worker::WorkerOptions> workers;
  for (const WorkerFlags& flags : command.workers) {
    Result<worker::WorkerOptions> options = ToWorkerOptions(loaded.config, flags, AvailableCores());
    if (!options.ok()) {
      BATON_LOG(Error) << options.status().message();
      return kExitUsage;
    }
    // Of two, the one that is ready last speaks for both.
    options->on_ready = [&](const std::string& address) {
      if (++ready == most) NotifyReady(address);
    };
    workers.push_back(*std::move(options));
  }
  // Under serve each line of text already begins with the worker's name.
  const worker::WorkerOptions& first = workers.front();
  const bool prefixed = IsSupervised() && !loaded.config.telemetry.json_logs();
  SetLogName(both ? "worker" : prefixed ? std::string(RoleName(first.role)) : first.name);
  const StopOnSignal signals(clock);
  std::unique_ptr<WorkerFront> front;
  if (!command.worker_http.empty()) {
    auto started =
        WorkerFront::Start(loaded.config, {.worker = first.name, .listen = command.worker_http},
                           clock, signals.token());
    if (!started.ok()) {
      BATON_LOG(Error) << started.status().message();
      return ExitCode(started.status());
    }
    front = *std::move(started);
  }
  for (worker::WorkerOptions& options : workers) {
    options.dumps = [&] {
      const int asked = signals.dumps();
      if (front) front->LookAtDumps(asked);
      return asked;
    };
  }
  const Status status = both ? worker::RunTwoWorkers(first, workers.back(), clock, signals.token())
                        : first.node_rank > 0 ? worker::RunFollower(first, clock, signals.token())
                                              : worker::RunWorker(first, clock, signals.token());
  front.reset();
  const bool was_ready = ready == most;
  if (status.ok()) return kExitOk;
  BATON_LOG(Error) << status.message();
  return was_ready ? kExitFailure : ExitCode(status);
}

int ExitCode(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk: return kExitOk;
    case StatusCode::kInvalidArgument:
    case StatusCode::kNotFound:
    case StatusCode::kFailedPrecondition:
    case StatusCode::kUnimplemented: return kExitUsage;
    default: return kExitFailure;
  }
}

}  // namespace baton::app
