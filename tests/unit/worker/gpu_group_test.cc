// A group over the GPUs of this host; skips where there are fewer than two.
#include <cstring>
#include <functional>
#include <thread>

#include <gtest/gtest.h>

#include "baton/base/dtype.h"
#include "baton/base/random.h"
#include "baton/collective/communicator.h"
#include "baton/device/cuda_stream.h"
#include "baton/device/devices.h"
#include "baton/kernels/cuda_ops.h"

namespace baton::worker {
namespace {

using collective::CudaGroupParts;
using collective::Group;
using collective::MakeNcclGroup;

int Gpus() { return static_cast<int>(device::Devices().devices.size()) - 1; }

/// The ranks of a group with the largest power of two of GPUs, at most 8.
class GpuGroup : public testing::Test {
 protected:
  void SetUp() override {
    if (Gpus() < 2) GTEST_SKIP() << "needs two GPUs, there are " << Gpus();
    int ranks = 2;
    while (2 * ranks <= std::min(Gpus(), 8)) ranks *= 2;
    for (int r = 0; r < ranks; ++r) {
      parts_.devices.push_back(r);
      memories_.push_back(*device::OpenCudaMemory(r));
      parts_.memories.push_back(memories_.back().get());
      streams_.push_back(*device::OpenCudaStream(r));
    }
  }

  /// What each rank has once `x`, a run of bfloat16 for each rank, is summed.
  std::vector<std::vector<BFloat16>> Sum(Group& group,
                                         const std::vector<std::vector<BFloat16>>& x) {
    std::vector<std::vector<BFloat16>> sums = x;
    std::vector<std::jthread> threads;
    for (size_t r = 0; r < x.size(); ++r) {
      threads.emplace_back([&, r] {
        device::DeviceMemory& memory = *memories_[r];
        memory.MakeCurrent();
        const size_t bytes = x[r].size() * sizeof(BFloat16);
        const device::Allocation there =
            *device::UploadAndWait(std::as_bytes(std::span(x[r])), memory);
        const device::Allocation back = *memory.AllocatePinned(bytes);
        group[r]->AllReduce({.x = there.get(),
                             .dtype = DType::kBFloat16,
                             .count = static_cast<int64_t>(x[r].size())},
                            *streams_[r]);
        streams_[r]->ToHost(back.get(), there.get(), bytes);
        streams_[r]->SynchronizeAndWait();
        std::memcpy(sums[r].data(), back.get(), bytes);
      });
    }
    threads.clear();
    return sums;
  }

  CudaGroupParts parts_;
  std::vector<std::unique_ptr<device::DeviceMemory>> memories_;
  std::vector<std::unique_ptr<device::CudaStream>> streams_;
};

TEST_F(GpuGroup, SumsToTheSameBitsByPeersAsByNccl) {
  CudaGroupParts with_peers = parts_;
  with_peers.ops = &kernels::CudaOps();
  Result<Group> by_nccl = MakeNcclGroup(parts_);
  if (!by_nccl.ok()) GTEST_SKIP() << by_nccl.status();
  Result<Group> by_peers = MakeNcclGroup(with_peers);
  ASSERT_TRUE(by_peers.ok()) << by_peers.status();
  Random random(1);
  for (const size_t count : {8, 4096, 5000, 40960, 524288, 1 << 20}) {
    std::vector<std::vector<BFloat16>> x(memories_.size(), std::vector<BFloat16>(count));
    for (auto& of_rank : x) {
      for (BFloat16& value : of_rank)
        value = ToBFloat16(static_cast<float>(random.Uniform()) - 0.4f);
    }
    const auto sums = Sum(*by_peers, x);
    const auto expected = Sum(*by_nccl, x);
    for (size_t r = 0; r < x.size(); ++r) {
      EXPECT_EQ(std::memcmp(sums[r].data(), expected[0].data(), count * sizeof(BFloat16)), 0)
          << count << " elements on rank " << r;
    }
  }
}

}  // namespace
}  // namespace baton::worker
