#include "crc32c.h"

#include <string>

#include <gtest/gtest.h>

#include "baton/base/random.h"

namespace baton::handoff {
namespace {

uint32_t Of(const std::string& text) { return Crc32c(std::as_bytes(std::span(text))); }

// RFC 3720, appendix B.4, and the check value of the CRC catalogue.
TEST(Crc32c, GivesThePublishedValues) {
  EXPECT_EQ(Of(""), 0u);
  EXPECT_EQ(Of("123456789"), 0xE3069283u);
  EXPECT_EQ(Of(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(Of(std::string(32, '\xFF')), 0x62A8AB43u);
}

TEST(Crc32c, InstructionAndTableAgreeOnEveryLength) {
  Random random(1);
  std::string text;
  for (int bytes = 0; bytes < 300; ++bytes) {
    EXPECT_EQ(Of(text), Crc32cPortable(std::as_bytes(std::span(text)))) << bytes;
    text.push_back(static_cast<char>(random.Next()));
  }
}

// Runs of 256 bytes go side by side in threes.
TEST(Crc32c, InstructionAndTableAgreeWhereRunsAreJoined) {
  Random random(2);
  std::string text(40'000, ' ');
  for (char& c : text) c = static_cast<char>(random.Next());
  const auto bytes = std::as_bytes(std::span(text));
  for (const size_t length : {767u, 768u, 769u, 1535u, 1536u, 1537u, 2304u, 4096u, 39'990u}) {
    for (const size_t offset : {0u, 1u, 7u}) {
      const auto part = bytes.subspan(offset, length);
      EXPECT_EQ(Crc32c(part, 77), Crc32cPortable(part, 77)) << length << " at " << offset;
    }
  }
}

TEST(Crc32c, OfTwoPartsIsThatOfTheWhole) {
  const std::string text = "one part and another";
  const auto bytes = std::as_bytes(std::span(text));
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(Crc32c(bytes.subspan(cut), Crc32c(bytes.first(cut))), Crc32c(bytes));
    EXPECT_EQ(Crc32cPortable(bytes.subspan(cut), Crc32cPortable(bytes.first(cut))), Crc32c(bytes));
  }
}

}  // namespace
}  // namespace baton::handoff
