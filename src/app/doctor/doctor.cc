#include <algorithm>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "baton/app/commands.h"
#include "baton/app/cores.h"
#include "baton/app/model_folder.h"
#include "baton/app/stop_on_signal.h"
#include "baton/base/logging.h"
#include "baton/base/units.h"
#include "baton/device/devices.h"
#include "baton/kernels/cpu_ops.h"
#include "baton/kernels/cuda_ops.h"
#include "baton/model/model_config.h"
#include "baton/transport/ucx.h"
#include "findings.h"
#include "measure_pair.h"

namespace baton::app {
namespace {

std::string Join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

Wanted WantedBy(const config::Config& config, int32_t cores) {
  Wanted wanted{.workers = config.workers.total(), .connections = config.limits.connections};
  std::set<int32_t> gpus;
  for (const Role role : {Role::kPrefill, Role::kDecode, Role::kMixed}) {
    const config::WorkerGroup& group = config.workers.group(role);
    const int32_t threads =
        group.threads > 0 ? group.threads : ThreadsPerWorker(cores, wanted.workers);
    const int32_t of_node = group.threads > 0 ? threads : threads / group.nodes;
    wanted.threads +=
        group.count * group.nodes * std::max(of_node, group.tensor_parallel / group.nodes);
    const auto device = config::ParseDevice(group.device);
    if (!device.ok() || !*device) {
      wanted.kv_bytes += group.count * group.kv_memory_bytes;
      continue;
    }
    for (int32_t i = 0; i < group.count * group.tensor_parallel; ++i) gpus.insert(**device + i);
  }
  wanted.gpus.assign(gpus.begin(), gpus.end());
  return wanted;
}

void ExamineDevices(const Wanted& wanted, std::vector<Finding>& findings) {
  const device::DeviceList list = device::Devices();
  for (const device::DeviceInfo& info : list.devices) {
    findings.push_back({"device." + info.id, Level::kOk,
                        info.name + ", " + std::to_string(info.cores) + " cores, " +
                            FormatBytes(info.memory_bytes) + ", " + Join(info.features),
                        ""});
  }
  if (!list.no_cuda.empty()) findings.push_back({"cuda", Level::kOk, "none: " + list.no_cuda, ""});
  for (Finding& finding : ExamineGpus(list, kernels::WhyNoCudaOps(), wanted)) {
    findings.push_back(std::move(finding));
  }
  findings.push_back({"cpu", Level::kOk,
                      "kernels for " + Join(kernels::CpuInstructionSets()) +
                          "; the first is used where engine.instructions is auto",
                      ""});
}

/// What carries KV, measured against `peer`, or a second process of this host.
void ExamineTransport(const std::string& tls, const std::string& peer,
                      std::vector<Finding>& findings) {
  const auto transport = transport::MakeUcxTransport({.transports = tls});
  if (!transport.ok()) {
    findings.push_back({"transport", Level::kProblem, transport.status().message(),
                        tls.empty() ? "check UCX_TLS and UCX_NET_DEVICES in the environment"
                                    : "check transport.tls, which is " + tls});
    return;
  }
  findings.push_back({"transport", Level::kOk, "ucx: " + (*transport)->OfferedPaths().text, ""});
  const auto figures = peer.empty() ? MeasurePairOnThisHost(tls) : MeasurePair(peer, tls);
  if (!figures.ok()) {
    findings.push_back({"pair", Level::kProblem, figures.status().message(),
                        peer.empty() ? "workers of this host cannot hand KV over; see the other "
                                       "findings"
                                     : "is `baton doctor --listen` running there, and are all "
                                       "ports between the hosts open?"});
    return;
  }
  for (Finding& finding : ExaminePair(*figures)) findings.push_back(std::move(finding));
}

void ExamineModel(const std::string& folder, bool random_weights, std::vector<Finding>& findings) {
  const Status files = CheckModelFolder(folder, random_weights);
  const Result<model::ModelConfig> config =
      files.ok() ? model::ModelConfig::Load(folder) : Result<model::ModelConfig>(files);
  if (!config.ok()) {
    findings.push_back({"model", Level::kProblem, config.status().message(),
                        "point `model` at a Hugging Face folder of a supported family"});
    return;
  }
  findings.push_back({"model", Level::kOk,
                      folder + ": " + config->architecture + ", " + std::to_string(config->layers) +
                          " layers, context " + std::to_string(config->context_tokens),
                      ""});
}

void ExamineConfig(const CommandLine& command, const Result<config::Loaded>& loaded,
                   std::vector<Finding>& findings) {
  const bool asked = !command.sources.file.empty() || !command.sources.command_line.empty();
  if (loaded.ok()) {
    const std::string& file = command.sources.file;
    findings.push_back({"config", Level::kOk, file.empty() ? "fine" : file + ": fine", ""});
    ExamineModel(loaded->config.model, loaded->config.engine.load == "random", findings);
  } else if (asked) {
    findings.push_back({"config", Level::kProblem, loaded.status().message(), "correct it"});
  } else {
    findings.push_back({"config", Level::kOk, "none given",
                        "--config FILE or --model FOLDER checks one against this host"});
  }
}

}  // namespace

int RunDoctor(const CommandLine& command) {
  // The findings say it all.
  SetLogLevel(LogLevel::kWarning);
  const Result<config::Loaded> loaded = config::LoadConfig(command.sources);
  std::string tls = loaded.ok() ? loaded->config.transport.tls : "";
  // A doctor that only listens needs no model, so that its configuration need not be whole.
  for (const config::Override& each : command.sources.command_line) {
    if (each.path == "transport.tls") tls = each.value;
  }
  if (!command.doctor.listen.empty()) {
    const StopOnSignal signals(Clock::System());
    const Status status = ServePairMeasurements(command.doctor.listen, tls, signals.token());
    if (status.ok()) return kExitOk;
    std::fprintf(stderr, "baton: %s\n", status.message().c_str());
    return ExitCode(status);
  }
  const HostFacts facts = ReadHostFacts();
  std::vector<Finding> findings = {{"baton", Level::kOk, BATON_VERSION, ""}};
  const Wanted wanted = loaded.ok() ? WantedBy(loaded->config, facts.cores) : Wanted{};
  for (Finding& finding : ExamineHost(facts, wanted)) findings.push_back(std::move(finding));
  ExamineDevices(wanted, findings);
  ExamineConfig(command, loaded, findings);
  ExamineTransport(tls, command.doctor.peer, findings);
  std::fputs((command.doctor.json ? RenderJson(findings) : RenderText(findings)).c_str(), stdout);
  return Healthy(findings) ? kExitOk : kExitFailure;
}

}  // namespace baton::app
