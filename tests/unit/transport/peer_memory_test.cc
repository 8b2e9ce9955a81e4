#include "ucx/peer_memory.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "ucx/streaming_copy.h"

namespace baton::transport {
namespace {

constexpr std::byte kOutside{0xEE};

std::vector<std::byte> Numbered(size_t bytes) {
  std::vector<std::byte> data(bytes);
  for (size_t i = 0; i < bytes; ++i) data[i] = std::byte(i * 40503u >> 7);
  return data;
}

TEST(StreamingCopy, CopiesAnyLengthBetweenAnyAlignmentsAndNothingElse) {
  const std::vector<std::byte> source = Numbered(2000);
  for (const size_t bytes : {0, 1, 15, 63, 64, 65, 127, 128, 129, 1000}) {
    for (size_t from = 0; from < 3; ++from) {
      for (size_t to = 0; to < 70; ++to) {
        std::vector<std::byte> target(1200, kOutside);
        StreamingCopy(target.data() + to, source.data() + from, bytes);
        std::vector<std::byte> expected(1200, kOutside);
        std::copy_n(source.data() + from, bytes, expected.data() + to);
        ASSERT_EQ(target, expected) << bytes << " bytes from " << from << " to " << to;
      }
    }
  }
}

/// Pages that two mappings share, as a peer's region is.
class PeerMemoryTest : public testing::Test {
 protected:
  static constexpr size_t kBytes = size_t{5} << 20;

  void SetUp() override {
    const int fd = memfd_create("peer", 0);
    ASSERT_EQ(ftruncate(fd, kBytes), 0);
    for (std::byte** mapping : {&theirs_, &window_}) {
      *mapping =
          static_cast<std::byte*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    }
    close(fd);
    std::memset(theirs_, 0x5A, kBytes);
    memory_.Add(window_, kBytes);
  }
  void TearDown() override {
    munmap(theirs_, kBytes);
    munmap(window_, kBytes);
  }

  /// Pages of the window that this process can write without a fault.
  size_t PagesMapped() const {
    FILE* smaps = fopen("/proc/self/smaps", "r");
    char line[256];
    unsigned long begin = 0, kib = 0;
    bool found = false;
    while (fgets(line, sizeof(line), smaps) != nullptr) {
      unsigned long start = 0, end = 0;
      if (sscanf(line, "%lx-%lx ", &start, &end) == 2) begin = start;
      found = begin == reinterpret_cast<unsigned long>(window_);
      if (found && sscanf(line, "Rss: %lu kB", &kib) == 1) break;
    }
    fclose(smaps);
    return kib / 4;
  }

  std::byte* theirs_ = nullptr;
  std::byte* window_ = nullptr;
  PeerMemory memory_;
};

TEST_F(PeerMemoryTest, WritesWhereTheDescriptorSays) {
  const std::vector<std::byte> source = Numbered(300);
  for (const uint64_t transfer_bytes : {uint64_t{300}, uint64_t{kStreamingCopyBytes}}) {
    std::memset(theirs_, 0x5A, kBytes);
    memory_.Write({.remote_offset = 4000, .bytes = 300}, source.data(), transfer_bytes);
    EXPECT_EQ(std::memcmp(theirs_ + 4000, source.data(), 300), 0);
    EXPECT_EQ(theirs_[3999], std::byte{0x5A});
    EXPECT_EQ(theirs_[4300], std::byte{0x5A});
  }
}

TEST_F(PeerMemoryTest, MapsEveryPageBeforeItIsWrittenAndChangesNone) {
  if (madvise(theirs_, 4096, MADV_POPULATE_READ) != 0) GTEST_SKIP() << "needs Linux 5.14";
  ASSERT_EQ(PagesMapped(), 0u);
  int turns = 0;
  while (memory_.MapMore()) ++turns;
  EXPECT_EQ(turns, 3);  // 2 MiB each.
  EXPECT_EQ(PagesMapped(), kBytes / 4096);
  EXPECT_TRUE(
      std::all_of(theirs_, theirs_ + kBytes, [](std::byte b) { return b == std::byte{0x5A}; }));
}

}  // namespace
}  // namespace baton::transport
