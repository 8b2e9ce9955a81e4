#include "baton/device/memory.h"

#include <cstring>

#include <gtest/gtest.h>

#include "baton/device/devices.h"

namespace baton::device {
namespace {

bool HasCuda() { return Devices().devices.size() > 1; }

TEST(CudaMemory, IsThereExactlyWhereADeviceIs) {
  const auto memory = OpenCudaMemory(0);
  EXPECT_EQ(memory.ok(), HasCuda());
  if (memory.ok()) return;
  EXPECT_EQ(memory.status().code(), StatusCode::kUnavailable);
  EXPECT_NE(memory.status().message(), "");
}

TEST(CudaMemory, RefusesADeviceThatIsNotThere) {
  EXPECT_EQ(OpenCudaMemory(1 << 20).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(OpenCudaMemory(-1).status().code(), StatusCode::kUnavailable);
}

TEST(CudaMemory, CopiesInOrderAndSaysWhenItIsDone) {
  if (!HasCuda()) GTEST_SKIP() << Devices().no_cuda;
  constexpr size_t kBytes = size_t{1} << 20;
  const auto memory = *OpenCudaMemory(0);
  const Allocation device = *memory->Allocate(kBytes);
  const Allocation from = *memory->AllocatePinned(kBytes);
  const Allocation to = *memory->AllocatePinned(kBytes);
  const auto queue = *memory->MakeQueue();
  std::memset(from.get(), 0x5A, kBytes);
  std::memset(to.get(), 0, kBytes);
  ASSERT_TRUE(queue->ToDevice(device.get(), from.get(), kBytes).ok());
  const uint64_t first = *queue->Mark();
  ASSERT_TRUE(queue->ToHost(to.get(), device.get(), kBytes).ok());
  const uint64_t second = *queue->Mark();
  EXPECT_LT(first, second);
  while (!*queue->Reached(second)) {
  }
  EXPECT_TRUE(*queue->Reached(first));
  EXPECT_EQ(std::memcmp(from.get(), to.get(), kBytes), 0);
}

}  // namespace
}  // namespace baton::device
