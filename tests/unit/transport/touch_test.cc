#include "ucx/touch.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace baton::transport {
namespace {

/// A mapping of shared memory, of which the file holds the first `backed` bytes.
class Shared {
 public:
  Shared(size_t bytes, size_t backed) : bytes_(bytes) {
    const int file = memfd_create("touch_test", MFD_CLOEXEC);
    EXPECT_EQ(ftruncate(file, static_cast<off_t>(backed)), 0);
    data_ =
        static_cast<std::byte*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    close(file);
  }
  ~Shared() { munmap(data_, bytes_); }
  std::byte* data() { return data_; }
  size_t PagesInMemory() const {
    std::vector<unsigned char> pages(bytes_ / static_cast<size_t>(sysconf(_SC_PAGESIZE)));
    EXPECT_EQ(mincore(data_, bytes_, pages.data()), 0);
    return static_cast<size_t>(
        std::ranges::count_if(pages, [](unsigned char page) { return (page & 1) != 0; }));
  }

 private:
  size_t bytes_;
  std::byte* data_ = nullptr;
};

/// A stripe and a half of the last thread's.
constexpr size_t kBytes = size_t{9} << 20;

TEST(TouchPages, BacksAllOfAMappingByHoweverManyThreads) {
  for (const int threads : {1, 2, 3, 8}) {
    Shared memory(kBytes, kBytes);
    ASSERT_EQ(memory.PagesInMemory(), 0u);
    ASSERT_TRUE(TouchPages(memory.data(), kBytes, threads).ok());
    EXPECT_EQ(memory.PagesInMemory(), kBytes / static_cast<size_t>(sysconf(_SC_PAGESIZE)));
  }
}

TEST(TouchPages, FailsWhereAFirstWriteWouldEndTheProcess) {
  Shared memory(kBytes, kBytes / 2);
  const Status status = TouchPages(memory.data(), kBytes, 3);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find("/dev/shm"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace baton::transport
