#include <cstdio>
#include <string>
#include <vector>

#include <sys/prctl.h>

#include "baton/app/command_line.h"
#include "baton/app/commands.h"
#include "baton/app/notify.h"
#include "baton/base/log_format.h"
#include "baton/base/logging.h"
#include "baton/config/load.h"
#include "baton/config/schema.h"

namespace baton::app {
namespace {

void PrintErrors(const std::string& errors) {
  std::fprintf(stderr, "baton: the configuration is not valid\n%s\n", errors.c_str());
}

int RunConfigured(const CommandLine& command, const config::Loaded& loaded) {
  SetLogLevel(loaded.config.log_level);
  if (loaded.config.telemetry.json_logs()) SetLogFormat(LogFormat::kJson);
  // What serve starts has the same environment, of which serve warns.
  if (command.verb != Verb::kServe && !IsSupervised()) {
    for (const std::string& warning : loaded.warnings) BATON_LOG(Warning) << warning;
  }
  Clock& clock = Clock::System();
  switch (command.verb) {
    case Verb::kServe: return RunServe(command, loaded, clock);
    case Verb::kRouter: return RunRouter(command, loaded, clock);
    default: return RunWorker(command, loaded, clock);
  }
}

int RunWithConfig(CommandLine command) {
  command.sources.environment = config::ProcessEnvironment();
  const Result<config::Loaded> loaded = config::LoadConfig(command.sources);
  if (!loaded.ok()) {
    PrintErrors(loaded.status().message());
    return kExitUsage;
  }
  if (!command.print_config && !command.validate_config) return RunConfigured(command, *loaded);
  for (const std::string& warning : loaded->warnings) {
    std::fprintf(stderr, "baton: %s\n", warning.c_str());
  }
  if (command.print_config) std::fputs(config::PrintConfig(*loaded).c_str(), stdout);
  if (command.validate_config) std::puts("OK");
  return kExitOk;
}

int Run(const std::vector<std::string>& arguments) {
  const auto parsed = ParseCommandLine(arguments);
  if (const Usage* usage = std::get_if<Usage>(&parsed)) {
    std::fputs(usage->text.c_str(), usage->exit_code == kExitOk ? stdout : stderr);
    return usage->exit_code;
  }
  CommandLine command = std::get<CommandLine>(parsed);
  switch (command.verb) {
    case Verb::kVersion: std::puts("baton " BATON_VERSION); return kExitOk;
    case Verb::kKeys: std::fputs(config::KeysAsMarkdown().c_str(), stdout); return kExitOk;
    case Verb::kKey: return RunKey(command);
    case Verb::kBench: return RunBench(command, Clock::System());
    case Verb::kDoctor:
      command.sources.environment = config::ProcessEnvironment();
      return RunDoctor(command);
    case Verb::kScale:
      command.sources.environment = config::ProcessEnvironment();
      return RunScale(command);
    default: return RunWithConfig(std::move(command));
  }
}

}  // namespace
}  // namespace baton::app

int main(int argc, char** argv) {
  // Otherwise a process that serve starts is named after /proc/self/exe.
  prctl(PR_SET_NAME, "baton");
  return baton::app::Run({argv + 1, argv + argc});
}
