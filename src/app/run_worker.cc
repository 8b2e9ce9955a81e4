#include "baton/app/commands.h"
#include "baton/app/cores.h"
#include "baton/app/notify.h"
#include "baton/app/options.h"
#include "baton/app/stop_on_signal.h"
#include "baton/base/logging.h"
#include "baton/worker/worker.h"

namespace baton::app {

int RunWorker(const CommandLine& command, const config::Loaded& loaded, Clock& clock) {
  Result<worker::WorkerOptions> options =
      ToWorkerOptions(loaded.config, command.worker, AvailableCores());
  if (!options.ok()) {
    BATON_LOG(Error) << options.status().message();
    return kExitUsage;
  }
  // Under serve each line already begins with the worker's name.
  SetLogName(IsSupervised() ? std::string(RoleName(options->role)) : options->name);
  const StopOnSignal signals(clock);
  bool was_ready = false;
  options->on_ready = [&](const std::string& address) {
    was_ready = true;
    NotifyReady(address);
  };
  const Status status = worker::RunWorker(*options, clock, signals.token());
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
