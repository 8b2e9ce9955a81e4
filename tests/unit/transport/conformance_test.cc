#include "baton/transport/loopback.h"
#include "baton/transport/ucx.h"
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

INSTANTIATE_TEST_SUITE_P(
    Transports, TransportConformance,
    testing::Values(TransportKind{"Loopback", Loopback({})},
                    TransportKind{"LoopbackWithDelays",
                                  Loopback({.seed = 7, .delay = 0.3, .piece_bytes = 4096})},
                    TransportKind{"UcxAsFound", Ucx("")}, TransportKind{"UcxTcp", Ucx("tcp")}),
    [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace baton::transport
