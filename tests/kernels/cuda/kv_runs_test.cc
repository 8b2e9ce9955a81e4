#include "kernels/cuda/support.h"
#include "operations.h"

namespace baton::kernels::cuda {
namespace {

struct Slice {
  const char* what;
  int64_t offset;
  int64_t run_bytes;
  int64_t run_stride;
  int32_t runs;
};

/// Blocks of 36 KiB: four layers of K and V of 4.5 KiB.
constexpr int64_t kBlockBytes = 36864;
constexpr Slice kSlices[] = {
    {"whole blocks", 0, kBlockBytes, 0, 1},
    {"the two layers in the middle", 9216, 18432, 0, 1},
    {"a third of the heads of every layer", 1536, 1536, 4608, 8},
    {"the least there is", 16, 16, 4608, 8},
};

class CudaKvRuns : public DeviceTest {
 protected:
  const std::vector<int32_t> blocks_ = {5, 0, 3};

  ops::KvRunsParams Params(const Slice& slice, const int32_t* blocks, std::byte* cache,
                           std::byte* buffer) const {
    return {.cache = cache,
            .buffer = buffer,
            .blocks = blocks,
            .block_stride = kBlockBytes,
            .offset = slice.offset,
            .run_bytes = slice.run_bytes,
            .run_stride = slice.run_stride,
            .runs = slice.runs,
            .B = 3};
  }

  std::vector<std::byte> Bytes(size_t n) {
    std::vector<std::byte> bytes(n);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random_.Below(255));
    return bytes;
  }
};

TEST_P(CudaKvRuns, GatherWhatTheReferenceGathersAndWriteNoMore) {
  std::vector<std::byte> cache = Bytes(6 * kBlockBytes);
  const DeviceArray<std::byte> device_cache(cache);
  const DeviceArray<int32_t> blocks(blocks_);
  for (const Slice& slice : kSlices) {
    SCOPED_TRACE(slice.what);
    const auto n = static_cast<size_t>(3 * slice.runs * slice.run_bytes);
    const DeviceArray<std::byte> buffer(n + 16);
    GatherKv(Params(slice, blocks.data(), device_cache.data(), buffer.data()), stream());
    std::vector<std::byte> expected(n + 16, std::byte{0xff});
    ReferenceOps().gather_kv(Params(slice, blocks_.data(), cache.data(), expected.data()),
                             host_stream_);
    EXPECT_TRUE(SameBits(buffer.Read(), expected));
  }
}

TEST_P(CudaKvRuns, ScatterWhatTheReferenceScattersAndTouchNothingElse) {
  const DeviceArray<int32_t> blocks(blocks_);
  for (const Slice& slice : kSlices) {
    SCOPED_TRACE(slice.what);
    std::vector<std::byte> buffer = Bytes(static_cast<size_t>(3 * slice.runs * slice.run_bytes));
    const DeviceArray<std::byte> device_buffer(buffer);
    const DeviceArray<std::byte> device_cache(6 * kBlockBytes);
    ScatterKv(Params(slice, blocks.data(), device_cache.data(), device_buffer.data()), stream());
    std::vector<std::byte> expected(6 * kBlockBytes, std::byte{0xff});
    ReferenceOps().scatter_kv(Params(slice, blocks_.data(), expected.data(), buffer.data()),
                              host_stream_);
    EXPECT_TRUE(SameBits(device_cache.Read(), expected));
  }
}

TEST_P(CudaKvRuns, GiveTheSameBitsTwiceThereAndBack) {
  const std::vector<std::byte> cache = Bytes(6 * kBlockBytes);
  const DeviceArray<std::byte> from(cache);
  const DeviceArray<int32_t> blocks(blocks_);
  for (const Slice& slice : kSlices) {
    SCOPED_TRACE(slice.what);
    ExpectSameBitsAgain([&] {
      const DeviceArray<std::byte> buffer(static_cast<size_t>(3 * slice.runs * slice.run_bytes));
      const DeviceArray<std::byte> to(6 * kBlockBytes);
      GatherKv(Params(slice, blocks.data(), from.data(), buffer.data()), stream());
      ScatterKv(Params(slice, blocks.data(), to.data(), buffer.data()), stream());
      return to.Read();
    });
  }
}

TEST_P(CudaKvRuns, DoNothingForNoBlocks) {
  GatherKv({.runs = 1, .B = 0}, stream());
  ScatterKv({.runs = 1, .B = 0}, stream());
}

BATON_DEVICE_SUITE(CudaKvRuns);

}  // namespace
}  // namespace baton::kernels::cuda
