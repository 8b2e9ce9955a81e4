#include <optional>

#include "kernels/cuda/support.h"
#include "operations.h"
#include "peer_sum/plan.h"

namespace baton::kernels::cuda {
namespace {

template <class T>
float Rounded(float value) {
  return ToFloat(ToBFloat16(value));
}
template <>
float Rounded<float>(float value) {
  return value;
}

/// As pairs of ranks add, neighbours first; the order that the contract names.
template <class T>
std::vector<float> InPairs(std::vector<std::vector<float>> ranks) {
  for (size_t distance = 1; distance < ranks.size(); distance *= 2) {
    for (size_t r = 0; r < ranks.size(); r += 2 * distance) {
      for (size_t i = 0; i < ranks[r].size(); ++i) {
        ranks[r][i] = Rounded<T>(ranks[r][i] + ranks[r + distance][i]);
      }
    }
  }
  return ranks[0];
}

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

  /// A sum of all ranks' random x; what each rank has then.
  template <class T>
  void ExpectSum(int64_t count) {
    constexpr DType kType = sizeof(T) == 2 ? DType::kBFloat16 : DType::kFloat32;
    std::vector<std::vector<float>> values;
    std::vector<T> all;
    for (int32_t r = 0; r < ranks_; ++r) {
      values.push_back(Uniform(random_, static_cast<size_t>(count), -9, 9));
      for (float& value : values.back()) value = Rounded<T>(value);
      const std::vector<T> of_rank = As(values.back(), T{});
      all.insert(all.end(), of_rank.begin(), of_rank.end());
    }
    const DeviceArray<T> x(all);
    ops::PeerSumParams p{.x = x.data(),
                         .dtype = kType,
                         .count = count,
                         .ranks = ranks_,
                         .ranks_here = ranks_,
                         .ended = ended_->data()};
    for (size_t r = 0; r < workspaces_.size(); ++r) {
      p.workspaces[r] = reinterpret_cast<std::byte*>(workspaces_[r].data());
    }
    PeerSum(p, stream());
    const std::vector<T> expected = As(InPairs<T>(values), T{});
    const std::vector<T> sums = x.Read();
    for (int32_t r = 0; r < ranks_; ++r) {
      const auto begin = sums.begin() + r * count;
      EXPECT_TRUE(SameBits(std::vector<T>(begin, begin + count), expected))
          << count << " elements, rank " << r << " of " << ranks_;
    }
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
