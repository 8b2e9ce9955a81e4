#include "ucx/staging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/transport/ucx.h"
#include "support/fake_device_access.h"

namespace baton::transport {
namespace {

using testing::HasSubstr;

constexpr size_t kSlotBytes = 4096;

StagedLanding Landing(device::FakeDevice& device, size_t slots,
                      Duration slot_deadline = std::chrono::minutes(1)) {
  return StagedLanding(*PinnedSlots::Make(device, slots, kSlotBytes), slot_deadline);
}

std::string ReadBack(const device::FakeDevice& device, const std::byte* from, size_t bytes) {
  std::string text(bytes, '\0');
  device.Copy(reinterpret_cast<std::byte*>(text.data()), from, bytes);
  return text;
}

Status Land(StagedLanding& landing, const std::string& bytes, std::byte* to, PeerId peer = {}) {
  return landing.Land({.peer = peer}, std::as_bytes(std::span(bytes)), to);
}

TEST(StagedLanding, TakesMorePiecesThanItHasSlots) {
  device::FakeDevice device(3);
  const device::Allocation region = *device.Allocate(kSlotBytes);
  StagedLanding landing = Landing(device, 2);
  std::vector<StagedLanding::Piece> landed;
  for (int i = 0; i < 9; ++i) {
    const std::string piece(10, static_cast<char>('a' + i));
    ASSERT_TRUE(Land(landing, piece, region.get() + i * 10).ok());
  }
  while (landing.landing()) ASSERT_TRUE(landing.Poll(landed).ok());

  EXPECT_EQ(landed.size(), 9u);
  EXPECT_EQ(ReadBack(device, region.get() + 35, 10), "dddddeeeee");
}

TEST(StagedLanding, HasNotLandedWhatTheDeviceStillCopies) {
  device::FakeDevice device;
  const device::Allocation region = *device.Allocate(kSlotBytes);
  StagedLanding landing = Landing(device, 2);
  std::vector<StagedLanding::Piece> landed;
  device.Hang(true);
  ASSERT_TRUE(Land(landing, "late", region.get(), PeerId{4}).ok());
  ASSERT_TRUE(landing.Poll(landed).ok());
  EXPECT_TRUE(landed.empty());
  EXPECT_TRUE(landing.IsLanding(PeerId{4}));
  EXPECT_FALSE(landing.IsLanding(PeerId{5}));

  device.Hang(false);
  ASSERT_TRUE(landing.Poll(landed).ok());
  EXPECT_EQ(landed.size(), 1u);
  EXPECT_FALSE(landing.IsLanding(PeerId{4}));
}

TEST(StagedLanding, LosesThePieceForWhichAHangingDeviceFreesNoSlot) {
  device::FakeDevice device;
  const device::Allocation region = *device.Allocate(kSlotBytes);
  StagedLanding landing = Landing(device, 1, std::chrono::milliseconds(5));
  device.Hang(true);
  ASSERT_TRUE(Land(landing, "first", region.get()).ok());
  EXPECT_EQ(Land(landing, "second", region.get()).code(), StatusCode::kDeadlineExceeded);
  device.Hang(false);
  EXPECT_TRUE(Land(landing, "third", region.get()).ok());
}

TEST(StagedLanding, SaysThatTheDeviceHasFailed) {
  device::FakeDevice device;
  const device::Allocation region = *device.Allocate(kSlotBytes);
  StagedLanding landing = Landing(device, 1);
  ASSERT_TRUE(Land(landing, "first", region.get()).ok());
  device.Fail();
  std::vector<StagedLanding::Piece> landed;
  EXPECT_EQ(landing.Poll(landed).blast(), Blast::kWorker);
  EXPECT_TRUE(landed.empty());
}

/// From memory of the host on one side to a device's on the other, or the other way.
class UcxStaging : public testing::Test {
 protected:
  static constexpr size_t kBytes = 300'000;

  Endpoint OnHost() { return Endpoint(*MakeUcxTransport(), kBytes); }
  Endpoint OnDevice() {
    UcxOptions options;
    options.device_memory = &device_;
    options.stage_device_memory = true;
    return Endpoint(*MakeUcxTransport(options), kBytes, OnFakeDevice(device_memory_));
  }
  static PeerId Join(Endpoint& from, Endpoint& to) {
    const PeerId id = *from.transport->Connect(*to.transport->Address());
    (void)*to.transport->Connect(*from.transport->Address());
    return id;
  }
  static bool Until(Endpoint& a, Endpoint& b, const std::function<bool()>& reached) {
    for (int round = 0; round < 20000 && !reached(); ++round) {
      const bool worked = a.transport->Progress() | b.transport->Progress();
      if (!worked) a.transport->Wait(std::chrono::milliseconds(1));
    }
    return reached();
  }

  const std::shared_ptr<device::FakeDevice> device_memory_ = std::make_shared<device::FakeDevice>();
  device::FakeDevice& device_ = *device_memory_;
};

TEST_F(UcxStaging, CarriesPutsBetweenAHostAndADevice) {
  Endpoint host = OnHost();
  Endpoint device = OnDevice();
  const PeerId to_device = Join(host, device);
  const Descriptor put{0, 1, kBytes - 1};
  host.Write(0, std::string(kBytes, 'h'));
  ASSERT_TRUE(host.transport->Put(to_device, {&put, 1}).ok());

  ASSERT_TRUE(Until(host, device, [&] { return !host.done.empty(); }));
  EXPECT_TRUE(host.done[0].status.ok());
  EXPECT_TRUE(device.Read(1, kBytes - 1) == std::string(kBytes - 1, 'h'));
}

TEST_F(UcxStaging, IsToldByThePath) {
  Endpoint host = OnHost();
  Endpoint device = OnDevice();
  const Path path = host.transport->FindPath(Join(host, device));
  EXPECT_TRUE(path.staged);
  EXPECT_THAT(path.text, HasSubstr("staged through pinned host memory"));
}

TEST_F(UcxStaging, APeerCanStillWriteUntilItsLastPieceIsInPlace) {
  Endpoint host = OnHost();
  Endpoint device = OnDevice();
  const PeerId to_device = Join(host, device);
  const PeerId to_host{1};
  device_.Hang(true);
  const Descriptor put{0, 0, 100};
  ASSERT_TRUE(host.transport->Put(to_device, {&put, 1}).ok());
  ASSERT_TRUE(host.Send(to_device, "behind the put").ok());
  // Its piece has come, too; it only has not been copied.
  ASSERT_TRUE(Until(host, device, [&] { return !device.messages.empty(); }));
  ASSERT_TRUE(Until(host, device, [&, rounds = 0]() mutable { return ++rounds > 100; }));
  device.transport->Disconnect(to_host);
  EXPECT_TRUE(device.transport->CanStillWrite(to_host));
  EXPECT_EQ(device.transport->Connect(*host.transport->Address(), 2).status().code(),
            StatusCode::kUnavailable);
  EXPECT_TRUE(host.done.empty());

  device_.Hang(false);
  device.transport->Progress();
  EXPECT_FALSE(device.transport->CanStillWrite(to_host));
  EXPECT_TRUE(device.transport->Connect(*host.transport->Address(), 2).ok());
}

TEST_F(UcxStaging, ADeviceThatFailsEndsThePuts) {
  Endpoint host = OnHost();
  Endpoint device = OnDevice();
  (void)Join(host, device);
  device_.Fail();
  const Descriptor put{0, 0, 100};
  ASSERT_TRUE(device.transport->Put(PeerId{1}, {&put, 1}).ok());

  ASSERT_TRUE(Until(host, device, [&] { return !device.done.empty(); }));
  EXPECT_EQ(device.done[0].status.blast(), Blast::kWorker);
}

TEST_F(UcxStaging, RefusesADeviceRegionWithoutADevice) {
  EXPECT_EQ((*MakeUcxTransport())->AllocateRegion(4096, MemoryKind::kDevice).status().code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace baton::transport
