#include "baton/transport/loopback.h"
#include "baton/transport/nodes.h"
#include "baton/transport/ucx.h"
#include "nccl/nccl_transport.h"
#include "support/fake_device_access.h"
#include "support/fake_nccl.h"
#include "support/transport_conformance.h"

namespace baton::transport {
namespace {

std::function<MakeTransport()> Loopback(LoopbackOptions options) {
  return [options]() -> MakeTransport {
    auto network = std::make_shared<LoopbackNetwork>(options);
    auto count = std::make_shared<int>(0);
    return [=] { return network->MakeEndpoint("endpoint " + std::to_string(++*count)); };
  };
}

std::function<MakeTransport()> Ucx(const std::string& transports) {
  return [transports]() -> MakeTransport {
    return [transports] {
      UcxOptions options;
      options.transports = transports;
      return *MakeUcxTransport(options);
    };
  };
}

/// A worker of one node, ready for peers of several.
std::function<MakeTransport()> OneNode(const std::function<MakeTransport()>& of) {
  return [of]() -> MakeTransport {
    return [make = of()] { return NodesTransport::Make(make(), {}); };
  };
}

/// Regions in the memory of a device that UCX cannot reach.
TransportKind UcxStaged(const std::string& name, const std::string& transports, uint64_t seed) {
  const auto device = std::make_shared<device::FakeDevice>(seed);
  const auto make = [device, transports] {
    UcxOptions options;
    options.transports = transports;
    options.device_memory = device.get();
    options.stage_device_memory = true;
    return *MakeUcxTransport(options);
  };
  return {.name = name,
          .make_world = [make]() -> MakeTransport { return make; },
          .access = OnFakeDevice(device),
          .receiver_writes = true};
}

TransportKind Nccl(const std::string& name, const std::function<MakeTransport()>& messages,
                   uint64_t seed) {
  const auto device = std::make_shared<device::FakeDevice>(seed);
  return {.name = name,
          .make_world = [=]() -> MakeTransport {
            return [device, nccl = std::make_shared<FakeNccl>(*device), make = messages()] {
              return std::make_unique<NcclTransport>(
                  NcclOptions{}, NcclTransport::Parts{device, nccl->MakeApi(), make()});
            };
          },
          .access = OnFakeDevice(device),
          .receiver_writes = true};
}

INSTANTIATE_TEST_SUITE_P(
    Transports, TransportConformance,
    testing::Values(TransportKind{"Loopback", Loopback({})},
                    TransportKind{"LoopbackWithDelays",
                                  Loopback({.seed = 7, .delay = 0.3, .piece_bytes = 4096})},
                    TransportKind{"UcxAsFound", Ucx("")},
                    TransportKind{
                        .name = "UcxTcp", .make_world = Ucx("tcp"), .receiver_writes = true},
                    TransportKind{"OneNodeOverLoopback", OneNode(Loopback({}))},
                    TransportKind{"OneNodeOverUcx", OneNode(Ucx(""))},
                    UcxStaged("UcxStaged", "", 0), UcxStaged("UcxStagedLate", "", 7),
                    UcxStaged("UcxStagedOverTcp", "tcp", 9),
                    Nccl("NcclOverLoopback", Loopback({}), 0),
                    Nccl("NcclOverLoopbackWithDelays", Loopback({.seed = 5, .delay = 0.3}), 11),
                    Nccl("NcclOverUcx", Ucx(""), 13)),
    [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace baton::transport
