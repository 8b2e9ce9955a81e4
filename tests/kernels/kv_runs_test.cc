#include <numeric>

#include "support.h"

namespace baton::kernels {
namespace {

class KvRuns : public KernelTest {
 protected:
  static constexpr int64_t kBlockBytes = 512;
  const std::vector<int32_t> blocks_ = {5, 0, 3};
  /// Runs of 48 bytes at 64, 192, 320 and 448 of each block.
  ops::KvRunsParams Params(std::vector<uint8_t>& cache, std::vector<uint8_t>& buffer) const {
    return {.cache = reinterpret_cast<std::byte*>(cache.data()),
            .buffer = reinterpret_cast<std::byte*>(buffer.data()),
            .blocks = blocks_.data(),
            .block_stride = kBlockBytes,
            .offset = 64,
            .run_bytes = 48,
            .run_stride = 128,
            .runs = 4,
            .B = 3};
  }
};

TEST_P(KvRuns, GatherTheRunsOfEachBlockWithoutGaps) {
  std::vector<uint8_t> cache(6 * kBlockBytes);
  for (size_t i = 0; i < cache.size(); ++i) cache[i] = static_cast<uint8_t>(i * 31 >> 3);
  for (const ops::Ops* ops : {&cpu(), &reference()}) {
    std::vector<uint8_t> buffer(3 * 4 * 48, 0xff);
    ops->gather_kv(Params(cache, buffer), stream_);
    for (size_t i = 0; i < buffer.size(); ++i) {
      const size_t run = i / 48;
      const size_t at = static_cast<size_t>(blocks_[run / 4]) * kBlockBytes + 64 + run % 4 * 128;
      EXPECT_EQ(buffer[i], cache[at + i % 48]) << i;
    }
  }
}

TEST_P(KvRuns, ScatterBackToWhereTheyCameFromAndNowhereElse) {
  for (const ops::Ops* ops : {&cpu(), &reference()}) {
    std::vector<uint8_t> buffer(3 * 4 * 48);
    std::iota(buffer.begin(), buffer.end(), uint8_t{0});
    std::vector<uint8_t> cache(6 * kBlockBytes, 0xff);
    ops->scatter_kv(Params(cache, buffer), stream_);
    std::vector<uint8_t> again(buffer.size());
    ops->gather_kv(Params(cache, again), stream_);
    EXPECT_EQ(again, buffer);
    std::vector<uint8_t> poison(buffer.size(), 0xff);
    ops->scatter_kv(Params(cache, poison), stream_);
    EXPECT_EQ(cache, std::vector<uint8_t>(cache.size(), 0xff));
  }
}

BATON_KERNEL_SUITE(KvRuns);

}  // namespace
}  // namespace baton::kernels
