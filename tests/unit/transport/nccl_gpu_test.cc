#include "baton/transport/nccl.h"
#include "baton/transport/ucx.h"
#include "support/transport_conformance.h"

/// The conformance suite over NCCL itself. NCCL puts no two ranks on one device, so it needs two.
namespace baton::transport {
namespace {

int CudaDevices() {
  int devices = 0;
  while (device::OpenCudaMemory(devices).ok()) ++devices;
  return devices;
}

std::string WhyNot() {
  if (CudaDevices() < 2) {
    return "needs two CUDA devices, has " + std::to_string(CudaDevices()) + ": " +
           device::OpenCudaMemory(CudaDevices()).status().message();
  }
  return MakeNcclTransport({}, *MakeUcxTransport()).status().message();
}

/// The first endpoint of a world is on the first device, all others on the other devices.
MakeTransport MakeWorld() {
  return [count = std::make_shared<int>(0), devices = CudaDevices()] {
    const int index = (*count)++;
    const int device = index == 0 ? 0 : 1 + (index - 1) % (devices - 1);
    return *MakeNcclTransport({.device = device}, *MakeUcxTransport());
  };
}

/// Waits for copies through pinned memory; addresses of all devices are of one space.
RegionAccess OnCudaDevice() {
  if (CudaDevices() == 0) return {};
  struct Staging {
    std::unique_ptr<device::DeviceMemory> memory = *device::OpenCudaMemory(0);
    std::unique_ptr<device::CopyQueue> queue = *memory->MakeQueue();
    device::Allocation pinned = *memory->AllocatePinned(kRegionBytes);
  };
  const auto staging = std::make_shared<Staging>();
  const auto wait = [staging] {
    const uint64_t mark = *staging->queue->Mark();
    while (!*staging->queue->Reached(mark)) {
    }
  };
  return {.memory = MemoryKind::kDevice,
          .read =
              [=](std::byte* to, const std::byte* from, size_t bytes) {
                BATON_CHECK(staging->queue->ToHost(staging->pinned.get(), from, bytes).ok());
                wait();
                std::memcpy(to, staging->pinned.get(), bytes);
              },
          .write =
              [=](std::byte* to, const std::byte* from, size_t bytes) {
                std::memcpy(staging->pinned.get(), from, bytes);
                BATON_CHECK(staging->queue->ToDevice(to, staging->pinned.get(), bytes).ok());
                wait();
              }};
}

INSTANTIATE_TEST_SUITE_P(Nccl, TransportConformance,
                         testing::Values(TransportKind{.name = "Gpus",
                                                       .make_world = MakeWorld,
                                                       .access = OnCudaDevice(),
                                                       .receiver_writes = true,
                                                       .why_not = WhyNot}),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace baton::transport
