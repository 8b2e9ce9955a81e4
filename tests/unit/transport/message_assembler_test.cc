#include "ucx/message_assembler.h"

#include <gtest/gtest.h>

namespace baton::transport {
namespace {

bool Add(MessageAssembler& assembler, FragmentHeader header, const std::string& bytes) {
  return assembler.Add(header, std::as_bytes(std::span(bytes)));
}

TEST(MessageAssembler, GivesMessagesOutInTheOrderOfSending) {
  MessageAssembler assembler;
  EXPECT_TRUE(Add(assembler, {.sequence = 1, .connection = 1, .message_bytes = 3}, "two"));
  EXPECT_EQ(assembler.Next(), std::nullopt);
  EXPECT_TRUE(Add(assembler, {.sequence = 0, .connection = 1, .message_bytes = 3}, "one"));
  EXPECT_EQ(assembler.Next(), "one");
  EXPECT_EQ(assembler.Next(), "two");
  EXPECT_EQ(assembler.Next(), std::nullopt);
}

TEST(MessageAssembler, PutsFragmentsInTheirPlaces) {
  MessageAssembler assembler;
  EXPECT_TRUE(Add(assembler, {.connection = 1, .message_bytes = 6, .offset = 4}, "ef"));
  EXPECT_EQ(assembler.Next(), std::nullopt);
  EXPECT_TRUE(Add(assembler, {.connection = 1, .message_bytes = 6}, "abcd"));
  EXPECT_EQ(assembler.Next(), "abcdef");
}

TEST(MessageAssembler, DropsImpossibleFragments) {
  MessageAssembler assembler;
  EXPECT_FALSE(Add(assembler, {.connection = 1, .message_bytes = 2}, "abc"));
  EXPECT_FALSE(Add(assembler, {.connection = 1, .message_bytes = 2, .offset = 3}, ""));
  EXPECT_FALSE(Add(assembler, {.connection = 1, .message_bytes = 0xFFFFFFFF}, "abc"));
  EXPECT_FALSE(Add(assembler, {.sequence = 1 << 20, .connection = 1, .message_bytes = 1}, "a"));
  EXPECT_EQ(assembler.Next(), std::nullopt);
}

/// A fragment of one byte may announce a message of 4 MiB.
TEST(MessageAssembler, KeepsNoMoreThanItsLimitOfMessagesThatAreNotWhole) {
  constexpr uint32_t kBytes = Transport::kMaxMessageBytes;
  constexpr uint64_t kFit = MessageAssembler::kMaxPartialBytes / kBytes;
  MessageAssembler assembler;
  const auto add = [&](uint64_t sequence) {
    return Add(assembler, {.sequence = sequence, .connection = 1, .message_bytes = kBytes}, "x");
  };
  for (uint64_t sequence = 0; sequence < kFit; ++sequence) EXPECT_TRUE(add(sequence));
  EXPECT_FALSE(add(kFit));
  const std::string rest(kBytes - 1, 'y');
  EXPECT_TRUE(Add(assembler, {.connection = 1, .message_bytes = kBytes, .offset = 1}, rest));
  EXPECT_TRUE(assembler.Next().has_value());
  EXPECT_TRUE(add(kFit));
}

}  // namespace
}  // namespace baton::transport
