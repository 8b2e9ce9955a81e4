#include <gtest/gtest.h>

#include "baton/device/memory.h"
#include "baton/nccl/library.h"
#include "baton/transport/loopback.h"
#include "baton/transport/nccl.h"

namespace baton::transport {
namespace {

TEST(NcclTransportOfThisHost, IsThereExactlyWhereDeviceAndLibraryAre) {
  LoopbackNetwork network;
  const auto transport = MakeNcclTransport({}, network.MakeEndpoint("messages"));
  const bool expected = device::OpenCudaMemory(0).ok() && nccl::Load().ok();
  EXPECT_EQ(transport.ok(), expected);
  if (transport.ok()) return;
  EXPECT_EQ(transport.status().code(), StatusCode::kUnavailable);
  EXPECT_NE(transport.status().message(), "");
}

}  // namespace
}  // namespace baton::transport
