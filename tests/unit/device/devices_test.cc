#include "baton/device/devices.h"

#include <gtest/gtest.h>

namespace baton::device {
namespace {

TEST(Devices, ListsTheHostFirst) {
  const DeviceList list = Devices();
  ASSERT_FALSE(list.devices.empty());
  const DeviceInfo& host = list.devices[0];
  EXPECT_EQ(host.id, "cpu");
  EXPECT_FALSE(host.name.empty());
  EXPECT_GE(host.cores, 1);
  EXPECT_GT(host.memory_bytes, int64_t{1} << 20);
}

TEST(Devices, SaysWhyThereIsNoCudaDeviceExactlyWhereThereIsNone) {
  const DeviceList list = Devices();
  EXPECT_EQ(list.devices.size() == 1, !list.no_cuda.empty()) << list.no_cuda;
}

TEST(Devices, NamesTheComputeCapabilityOfEachCudaDevice) {
  const DeviceList list = Devices();
  if (list.devices.size() == 1) GTEST_SKIP() << list.no_cuda;
  for (size_t i = 1; i < list.devices.size(); ++i) {
    EXPECT_EQ(list.devices[i].id, "cuda:" + std::to_string(i - 1));
    ASSERT_EQ(list.devices[i].features.size(), 1u);
    EXPECT_EQ(list.devices[i].features[0].rfind("sm_", 0), 0u);
  }
}

}  // namespace
}  // namespace baton::device
