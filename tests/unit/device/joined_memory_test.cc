#include "baton/device/joined_memory.h"

#include <cstring>

#include <gtest/gtest.h>

#include "baton/device/host_memory.h"

namespace baton::device {
namespace {

/// Memory of the host whose queues say that nothing is done until told otherwise.
class SlowMemory final : public DeviceMemory {
 public:
  SlowMemory(std::string name, int64_t free) : name_(std::move(name)), free_(free) {}

  std::string_view name() const override { return name_; }
  Result<Allocation> Allocate(size_t bytes) override {
    ++allocations;
    return host_.Allocate(bytes);
  }
  Result<int64_t> FreeBytes() override { return free_; }
  Result<Allocation> AllocatePinned(size_t bytes) override { return host_.Allocate(bytes); }
  Result<std::unique_ptr<CopyQueue>> MakeQueue() override {
    return std::unique_ptr<CopyQueue>(std::make_unique<Queue>(*this));
  }
  void MakeCurrent() override {}

  int allocations = 0;
  int copies = 0;
  bool done = false;

 private:
  class Queue final : public CopyQueue {
   public:
    explicit Queue(SlowMemory& memory) : memory_(memory) {}
    Status ToHost(std::byte* host, const std::byte* device, size_t bytes) override {
      return Copy(host, device, bytes);
    }
    Status ToDevice(std::byte* device, const std::byte* host, size_t bytes) override {
      return Copy(device, host, bytes);
    }
    Result<uint64_t> Mark() override { return ++marks_; }
    Result<bool> Reached(uint64_t) override { return memory_.done; }
    void* native() override { return this; }

   private:
    Status Copy(std::byte* to, const std::byte* from, size_t bytes) {
      std::memcpy(to, from, bytes);
      ++memory_.copies;
      return OkStatus();
    }
    SlowMemory& memory_;
    uint64_t marks_ = 0;
  };

  const std::string name_;
  const int64_t free_;
  HostMemory host_;
};

class JoinedMemoryTest : public testing::Test {
 protected:
  SlowMemory first_{"cuda:2", 100};
  SlowMemory second_{"cuda:3", 70};
  JoinedMemory joined_{{&first_, &second_}};
};

TEST_F(JoinedMemoryTest, AllocatesOnTheDevicesInTurn) {
  const Allocation a = *joined_.Allocate(64);
  EXPECT_EQ(first_.allocations, 1);
  const Allocation b = *joined_.Allocate(64);
  EXPECT_EQ(second_.allocations, 1);
  EXPECT_EQ(joined_.name(), "cuda:2+cuda:3");
  EXPECT_EQ(*joined_.FreeBytes(), 70);
}

TEST_F(JoinedMemoryTest, CopiesOnTheQueueOfTheDeviceThatHoldsTheBytes) {
  const Allocation a = *joined_.Allocate(64);
  const Allocation b = *joined_.Allocate(64);
  const Allocation host = *joined_.AllocatePinned(64);
  const auto queue = *joined_.MakeQueue();
  ASSERT_TRUE(queue->ToDevice(b.get() + 60, host.get(), 4).ok());
  EXPECT_EQ(first_.copies, 0);
  EXPECT_EQ(second_.copies, 1);
  ASSERT_TRUE(queue->ToHost(host.get(), a.get(), 64).ok());
  EXPECT_EQ(first_.copies, 1);
}

TEST_F(JoinedMemoryTest, ReachesAMarkOnceEachDeviceBeforeItIsDone) {
  const Allocation a = *joined_.Allocate(64);
  const Allocation b = *joined_.Allocate(64);
  const Allocation host = *joined_.AllocatePinned(64);
  const auto queue = *joined_.MakeQueue();
  ASSERT_TRUE(queue->ToDevice(a.get(), host.get(), 64).ok());
  const uint64_t on_first = *queue->Mark();
  ASSERT_TRUE(queue->ToDevice(a.get(), host.get(), 64).ok());
  ASSERT_TRUE(queue->ToDevice(b.get(), host.get(), 64).ok());
  const uint64_t on_both = *queue->Mark();
  EXPECT_FALSE(*queue->Reached(on_first));
  first_.done = true;
  EXPECT_TRUE(*queue->Reached(on_first));
  EXPECT_FALSE(*queue->Reached(on_both));
  second_.done = true;
  EXPECT_TRUE(*queue->Reached(on_both));
  EXPECT_TRUE(*queue->Reached(on_first));
}

}  // namespace
}  // namespace baton::device
