#include "baton/device/buffer.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

namespace baton::device {
namespace {

bool IsZero(const Buffer& buffer) {
  return std::all_of(buffer.data(), buffer.data() + buffer.size(),
                     [](std::byte byte) { return byte == std::byte{0}; });
}

TEST(Buffer, IsZeroedAndAlignedAtEverySize) {
  for (const size_t bytes :
       {size_t{1}, size_t{4095}, size_t{4096}, size_t{2} << 20, size_t{5000001}}) {
    const auto buffer = Buffer::Allocate(bytes);
    ASSERT_TRUE(buffer.ok()) << buffer.status();
    EXPECT_EQ(buffer->size(), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % Buffer::kAlignment, 0u);
    EXPECT_TRUE(IsZero(*buffer));
  }
}

TEST(Buffer, OfNoBytesHoldsNothing) {
  const auto buffer = Buffer::Allocate(0);
  ASSERT_TRUE(buffer.ok());
  EXPECT_EQ(buffer->data(), nullptr);
}

TEST(Buffer, MovesItsMemory) {
  Buffer from = *Buffer::Allocate(100);
  std::byte* data = from.data();
  data[99] = std::byte{7};
  Buffer to;
  to = std::move(from);
  EXPECT_EQ(to.data(), data);
  EXPECT_EQ(to.data()[99], std::byte{7});
}

TEST(Buffer, UntouchedIsZeroedAndAlignedToo) {
  const Buffer buffer = *Buffer::AllocateUntouched(5000001);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % Buffer::kAlignment, 0u);
  EXPECT_TRUE(IsZero(buffer));
}

TEST(Buffer, GivesBackWholePagesAndNoPartOfOthers) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const Buffer buffer = *Buffer::Allocate(4 * page);
  std::fill_n(buffer.data(), 4 * page, std::byte{1});
  GiveBackPages(buffer.data() + 1, 3 * page);
  std::string kept;
  for (size_t i = 0; i < 4; ++i) kept += buffer.data()[i * page] == std::byte{1} ? 'x' : '.';
  EXPECT_EQ(kept, "x..x");
}

TEST(Buffer, FailsReadablyWhenThereIsNoSuchMemory) {
  const auto buffer = Buffer::Allocate(size_t{1} << 60);
  EXPECT_EQ(buffer.status().code(), StatusCode::kResourceExhausted);
  EXPECT_NE(buffer.status().message().find("TiB"), std::string::npos) << buffer.status();
}

}  // namespace
}  // namespace baton::device
