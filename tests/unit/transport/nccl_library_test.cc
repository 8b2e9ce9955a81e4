#include "nccl/nccl_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/transport/loopback.h"
#include "baton/transport/nccl.h"
#include "support/fake_device.h"

namespace baton::transport {
namespace {

using testing::HasSubstr;

/// Loading asks nothing of the device.
Result<std::unique_ptr<NcclApi>> Load(const std::string& library = "libnccl.so.2") {
  return LoadNccl(std::make_shared<device::FakeDevice>(), library);
}

bool BuiltWithNccl() {
  return Load().ok() || Load().status().message().find("this build") == std::string::npos;
}

TEST(NcclLibrary, TellsItsVersionAndGivesIdsWithoutADevice) {
  const auto nccl = Load();
  if (!nccl.ok()) GTEST_SKIP() << nccl.status().message();
  EXPECT_GE((*nccl)->version(), kLeastNcclVersion);
  const auto first = (*nccl)->MakeUniqueId();
  if (!first.ok()) GTEST_SKIP() << first.status().message();
  EXPECT_NE(*first, *(*nccl)->MakeUniqueId());
}

TEST(NcclLibrary, SaysWhichFileIsMissing) {
  if (!BuiltWithNccl()) GTEST_SKIP() << Load().status().message();
  const Status status = Load("libnccl_of_nobody.so.2").status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("libnccl_of_nobody.so.2"));
}

TEST(NcclLibrary, SaysWhatAnotherLibraryLacks) {
  if (!BuiltWithNccl()) GTEST_SKIP() << Load().status().message();
  EXPECT_THAT(Load("libm.so.6").status().message(), HasSubstr("libm.so.6 lacks ncclGetVersion"));
}

TEST(NcclVersion, IsCheckedAgainstTheLeastAndTheCompiledOne) {
  EXPECT_TRUE(CheckNcclVersion(22809, 22809).ok());
  EXPECT_TRUE(CheckNcclVersion(21800, 22809).ok());
  EXPECT_TRUE(CheckNcclVersion(23001, 22809).ok());
  const Status old = CheckNcclVersion(21705, 22809);
  EXPECT_EQ(old.code(), StatusCode::kUnavailable);
  EXPECT_EQ(old.message(), "nccl 2.17.5 is too old; at least 2.18.0 is needed");
  EXPECT_EQ(CheckNcclVersion(30000, 22809).message(),
            "nccl 3.0.0 is here, but this was built for 2.28.9");
}

TEST(NcclTransportOfThisHost, IsThereExactlyWhereDeviceAndLibraryAre) {
  LoopbackNetwork network;
  const auto transport = MakeNcclTransport({}, network.MakeEndpoint("messages"));
  const bool expected = device::OpenCudaMemory(0).ok() && Load().ok();
  EXPECT_EQ(transport.ok(), expected);
  if (transport.ok()) return;
  EXPECT_EQ(transport.status().code(), StatusCode::kUnavailable);
  EXPECT_NE(transport.status().message(), "");
}

}  // namespace
}  // namespace baton::transport
