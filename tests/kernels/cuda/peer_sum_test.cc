#include <optional>

#include "kernels/cuda/support.h"
#include "operations.h"
#include "peer_sum/plan.h"

namespace baton::kernels::cuda {
namespace {

std::vector<BFloat16> As(const std::vector<float>& values, BFloat16) { return ToBFloat16s(values); }
std::vector<float> As(const std::vector<float>& values, float) { return values; }

/// All ranks of a group on the one device under test.
class CudaPeerSum : public DeviceTest {
 protected:
  void Connect(int32_t ranks) {
    ranks_ = ranks;
    ended_.emplace(std::vector<uint32_t>{0});
    workspaces_.clear();
    for (int32_t r = 0; r < ranks; ++r) {
      workspaces_.emplace_back(std::vector<uint8_t>(peer_sum::kWorkspaceBytes, 0));
    }
  }

  template <class T>
  ops::PeerSumParams Params(const DeviceArray<T>& x) const {
    ops::PeerSumParams p{.x = x.data(),
                         .dtype = sizeof(T) == 2 ? DType::kBFloat16 : DType::kFloat32,
                         .count = static_cast<int64_t>(x.size()) / ranks_,
                         .ranks = ranks_,
                         .ranks_here = ranks_,
                         .ended = ended_->data()};
    for (size_t r = 0; r < workspaces_.size(); ++r) {
      p.workspaces[r] = reinterpret_cast<std::byte*>(workspaces_[r].data());
    }
    return p;
  }

  /// Random x of all ranks.
  template <class T>
  std::vector<T> Random(int64_t count) {
    return As(Uniform(random_, static_cast<size_t>(ranks_ * count), -9, 9), T{});
  }

  /// What is in `x`, of which all ranks had `values`, is their sum.
  template <class T>
  void ExpectSumOf(std::vector<T> values, const DeviceArray<T>& x) {
    ops::PeerSumParams p = Params(x);
    p.x = values.data();
    kernels::ReferenceOps().peer_sum(p, host_stream_);
    EXPECT_TRUE(SameBits(x.Read(), values)) << p.count << " elements, " << ranks_ << " ranks";
  }

  template <class T>
  void ExpectSum(int64_t count) {
    const std::vector<T> values = Random<T>(count);
    const DeviceArray<T> x(values);
    PeerSum(Params(x), stream());
    ExpectSumOf(values, x);
  }

  int32_t ranks_ = 0;
  std::vector<DeviceArray<uint8_t>> workspaces_;
  std::optional<DeviceArray<uint32_t>> ended_;
};

TEST_P(CudaPeerSum, AddsInPairsToTheSameBitsOnAllRanks) {
  for (const int32_t ranks : {2, 4, 8}) {
    Connect(ranks);
    // One unit, a block, a little more, several blocks of which the last is short.
    for (const int64_t count : {8, 2048, 2056, 12304}) ExpectSum<BFloat16>(count);
    for (const int64_t count : {4, 1024, 1028}) ExpectSum<float>(count);
  }
}

TEST_P(CudaPeerSum, CountsOnWhateverTheSizesBeforeWere) {
  Connect(2);
  for (const int64_t count : {8192, 8, 16384, 4096, 8, 8, 12288, 8192}) ExpectSum<BFloat16>(count);
}

TEST_P(CudaPeerSum, CountsPastTheLargestNumber) {
  Connect(2);
  std::vector<uint8_t> nearly(peer_sum::kWorkspaceBytes, 0);
  // Each counter and flag is two before it wraps.
  for (size_t i = 0; i < peer_sum::kSlicesAt; i += 4) {
    const uint32_t value = 0xfffffffe;
    std::memcpy(nearly.data() + i, &value, sizeof value);
  }
  workspaces_.clear();
  for (int r = 0; r < 2; ++r) workspaces_.emplace_back(nearly);
  for (int i = 0; i < 4; ++i) ExpectSum<float>(64);
}

TEST_P(CudaPeerSum, CountsOnWhenItIsReplayedAmongOthers) {
  Connect(2);
  const DeviceArray<BFloat16> large(Random<BFloat16>(8192));
  const DeviceArray<float> small(Random<float>(64));
  const auto enqueue = [&] {
    PeerSum(Params(large), stream());
    PeerSum(Params(small), stream());
  };
  enqueue();
  ASSERT_TRUE(stream().Record(1, enqueue));
  for (int round = 0; round < 3; ++round) {
    const std::vector<BFloat16> many = Random<BFloat16>(8192);
    const std::vector<float> few = Random<float>(64);
    CopyToDevice(reinterpret_cast<std::byte*>(large.data()), many.data(), many.size() * 2);
    CopyToDevice(reinterpret_cast<std::byte*>(small.data()), few.data(), few.size() * 4);
    stream().Replay(1);
    ExpectSumOf(many, large);
    ExpectSumOf(few, small);
    // Of blocks of which the recorded sums use some, so that these count differently.
    ExpectSum<float>(round % 2 == 0 ? 2048 : 8);
  }
  stream().ForgetRecordings();
}

TEST_P(CudaPeerSum, GivesTheSameBitsTwiceAndWritesNoMore) {
  Connect(4);
  const std::vector<float> values = Random<float>(1028);
  std::vector<float> padded = values;
  padded.resize(values.size() + 4, NAN);
  ExpectSameBitsAgain([&] {
    const DeviceArray<float> x(padded);
    ops::PeerSumParams p = Params(x);
    p.count = 1028;
    PeerSum(p, stream());
    const std::vector<float> sums = x.Read();
    for (size_t i = values.size(); i < sums.size(); ++i) EXPECT_TRUE(std::isnan(sums[i])) << i;
    return sums;
  });
}

TEST_P(CudaPeerSum, TakesTheMostThatAWorkspaceHolds) {
  Connect(2);
  ExpectSum<BFloat16>(peer_sum::kMostBytes / 2);
}

TEST_P(CudaPeerSum, WaitsForNobodyOnceTheGroupHasEnded) {
  Connect(2);
  const DeviceArray<float> x(std::vector<float>(64, 1.0f));
  const DeviceArray<uint32_t> ended(std::vector<uint32_t>{1});
  // Rank 1 never comes.
  PeerSum({.x = x.data(),
           .count = 64,
           .rank = 0,
           .ranks = 2,
           .workspaces = {reinterpret_cast<std::byte*>(workspaces_[0].data()),
                          reinterpret_cast<std::byte*>(workspaces_[1].data())},
           .ended = ended.data()},
          stream());
  EXPECT_EQ(x.Read().size(), 64U);
}

BATON_DEVICE_SUITE(CudaPeerSum);

}  // namespace
}  // namespace baton::kernels::cuda
