#include "worker_device.h"

#include <set>
#include <utility>
#include <vector>

#include "baton/base/logging.h"
#include "baton/base/units.h"
#include "baton/device/cuda_stream.h"
#include "baton/device/sm_share.h"
#include "baton/device/sm_split.h"
#include "baton/kernels/cpu_ops.h"
#include "baton/kernels/cuda_ops.h"

namespace baton::worker {
namespace {

constexpr const char* kInstead = "; set workers.*.device to cpu, or to a device that there is";

/// The first operation that a forward pass needs and `ops` lacks; null when there is none.
const char* MissingIn(const ops::Ops& ops) {
  const std::vector<std::pair<const char*, bool>> needed = {
      {"embedding", ops.embedding != nullptr}, {"rms_norm", ops.rms_norm != nullptr},
      {"linear", ops.linear != nullptr},       {"rope_kv_write", ops.rope_kv_write != nullptr},
      {"silu_mul", ops.silu_mul != nullptr},   {"gelu_mul", ops.gelu_mul != nullptr},
      {"soft_cap", ops.soft_cap != nullptr},   {"gather_rows", ops.gather_rows != nullptr},
      {"sample", ops.sample != nullptr},       {"paged_attention", ops.paged_attention != nullptr}};
  for (const auto& [name, there] : needed) {
    if (!there) return name;
  }
  return nullptr;
}

/// Without its stream.
Result<WorkerDevice> OpenCudaWithoutStream(int number, bool deterministic) {
  const std::string name = "cuda:" + std::to_string(number);
  if (const std::string_view why = kernels::WhyNoCudaOps(); !why.empty()) {
    return Unavailable("no kernels for " + name + ": " + std::string(why) + kInstead);
  }
  const ops::Ops& ops = kernels::CudaOps({.deterministic = deterministic});
  if (const char* missing = MissingIn(ops)) {
    return Unimplemented("this build has no kernel for " + std::string(missing) + " on " + name +
                         kInstead);
  }
  auto memory = device::OpenCudaMemory(number);
  if (!memory.ok()) {
    return Unavailable(memory.status().message() + kInstead);
  }
  return WorkerDevice{
      .name = name, .ops = &ops, .memory = *std::move(memory), .weights_dtype = DType::kBFloat16};
}

Result<WorkerDevice> OpenCpu(const std::string& instructions) {
  if (instructions == "auto") return WorkerDevice{.name = "cpu", .ops = &kernels::CpuOps()};
  const auto ops = kernels::CpuOpsFor(instructions);
  if (!ops.ok()) {
    return Unavailable("engine.instructions is " + instructions + ", but " +
                       ops.status().message() +
                       "; set it to auto, or to what `baton doctor` names");
  }
  return WorkerDevice{.name = "cpu", .ops = *ops};
}

Result<WorkerDevice> OpenCuda(int number, const DeviceChoice& choice) {
  BATON_ASSIGN_OR_RETURN(WorkerDevice device, OpenCudaWithoutStream(number, choice.deterministic));
  BATON_ASSIGN_OR_RETURN(auto stream, device::OpenCudaStream(number));
  stream->SetEarlyLaunches(choice.early_launches);
  device.stream = std::move(stream);
  return device;
}

}  // namespace

Status PrepareProductsAndWait(const WorkerDevice& device, const model::Model& model,
                              const model::StepLimits& limits, bool deterministic) {
  if (device.stream == nullptr) return OkStatus();
  device.memory->MakeCurrent();
  const auto products = model.WidestProducts(limits, device.ops->activation);
  const auto refused = kernels::PrepareCudaLinearAndWait(
      device::AsCuda(*device.stream), *device.memory, {.deterministic = deterministic}, products);
  if (refused.status().code() == StatusCode::kUnavailable) {
    BATON_LOG(Warning) << device.name << " multiplies by Baton's own kernels, which are slow for "
                       << "prompts: " << refused.status().message();
    return OkStatus();
  }
  if (!refused.ok()) return refused.status();
  const std::set<std::string> reasons(refused->begin(), refused->end());
  for (const std::string& reason : reasons) {
    BATON_LOG(Info) << device.name << " multiplies by Baton's own kernel: " << reason;
  }
  return OkStatus();
}

Result<int64_t> KvBytesOn(const WorkerDevice& device, const model::RankRunner::Plan& plan,
                          int32_t kv_percent) {
  BATON_ASSIGN_OR_RETURN(const int64_t free, device.memory->FreeBytes());
  const int64_t steps = model::RankRunner::Bytes(plan);
  const int64_t graphs = model::RankRunner::RecordingBytes(plan);
  const int64_t rest = free - steps - graphs;
  if (rest > 0) return rest / 100 * kv_percent;
  return ResourceExhausted("the weights leave " + FormatBytes(free) + " of " + device.name +
                           ", but steps take " + FormatBytes(steps) + " and CUDA graphs " +
                           FormatBytes(graphs) +
                           "; lower engine.step_tokens, engine.running_sequences or "
                           "engine.graph_sequences");
}

Result<std::vector<WorkerDevice>> OpenWorkerDevices(const DeviceChoice& choice) {
  std::vector<WorkerDevice> devices;
  if (!choice.cuda) {
    BATON_ASSIGN_OR_RETURN(WorkerDevice cpu, OpenCpu(choice.instructions));
    devices.push_back(std::move(cpu));
    return devices;
  }
  if (choice.sm_percent > 0) {
    if (const Status limited = device::LimitSmShare(choice.sm_percent); !limited.ok()) {
      return Unavailable("workers.*.sm_percent is " + std::to_string(choice.sm_percent) + ", but " +
                         limited.message() +
                         "; start it (nvidia-cuda-mps-control -d), or set sm_percent to 0");
    }
  }
  for (int32_t rank = 0; rank < choice.ranks; ++rank) {
    auto device = OpenCuda(*choice.cuda + rank, choice);
    if (!device.ok()) {
      return choice.ranks == 1 ? device.status()
                               : device.status().WithContext("rank " + std::to_string(rank) +
                                                             " of " + std::to_string(choice.ranks) +
                                                             " (workers.*.tensor_parallel)");
    }
    devices.push_back(*std::move(device));
  }
  devices.front().memory->MakeCurrent();
  return devices;
}

Result<std::array<WorkerDevice, 2>> OpenDeviceParts(const DeviceChoice& first,
                                                    const DeviceChoice& second) {
  std::array<WorkerDevice, 2> parts;
  if (!first.cuda) {
    for (WorkerDevice& part : parts) {
      BATON_ASSIGN_OR_RETURN(part, OpenCpu(first.instructions));
    }
    return parts;
  }
  for (WorkerDevice& part : parts) {
    BATON_ASSIGN_OR_RETURN(part, OpenCudaWithoutStream(*first.cuda, first.deterministic));
  }
  auto streams = device::OpenSplitCudaStreams(*first.cuda, {first.sm_percent, second.sm_percent});
  if (!streams.ok()) {
    return Unavailable("workers.one_process is true, but " + streams.status().message() +
                       "; set it to false, which makes two processes");
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    (*streams)[i]->SetEarlyLaunches(first.early_launches);
    parts[i].stream = std::move((*streams)[i]);
  }
  return parts;
}

Result<collective::Group> ConnectDevices(const DeviceChoice& choice,
                                         std::span<const WorkerDevice> devices) {
  if (!choice.cuda || devices.size() == 1 || choice.nodes > 1) return collective::Group{};
  collective::CudaGroupParts parts{.ops = devices.front().ops,
                                   .deterministic = choice.deterministic};
  for (size_t rank = 0; rank < devices.size(); ++rank) {
    parts.devices.push_back(*choice.cuda + static_cast<int32_t>(rank));
    parts.memories.push_back(devices[rank].memory.get());
  }
  auto group = collective::MakeNcclGroup(parts);
  if (group.ok()) return group;
  return Status(group.status().code(),
                "workers.*.tensor_parallel is " + std::to_string(choice.ranks) +
                    " on GPUs, which sum by NCCL: " + group.status().message() +
                    (group.status().code() == StatusCode::kUnavailable
                         ? "; install NCCL (libnccl.so.2), or set tensor_parallel to 1"
                         : ""));
}

}  // namespace baton::worker
