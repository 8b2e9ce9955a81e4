#include "nccl/nccl_messages.h"

#include <gtest/gtest.h>

namespace baton::transport {
namespace {

std::span<const std::byte> Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

template <typename T>
T RoundTrip(const T& message) {
  const std::string bytes = Encode(message);
  const std::optional<NcclMessage> read = DecodeNccl(Bytes(bytes));
  EXPECT_TRUE(read.has_value());
  return std::get<T>(*read);
}

NcclPut SomePut() {
  return {.generation = 7, .transfer = 9, .last = true, .runs = {{0, 1, 2}, {3, ~uint64_t{0}, 4}}};
}

TEST(NcclMessages, ComeBackAsTheyWere) {
  NcclInvite invite{.generation = 3};
  invite.id[0] = 'a';
  invite.id[127] = 'z';
  EXPECT_EQ(RoundTrip(invite).generation, 3u);
  EXPECT_EQ(RoundTrip(invite).id, invite.id);
  const NcclPut put = RoundTrip(SomePut());
  EXPECT_EQ(put.generation, 7u);
  EXPECT_EQ(put.transfer, 9u);
  EXPECT_TRUE(put.last);
  ASSERT_EQ(put.runs.size(), 2u);
  EXPECT_EQ(put.runs[1].region, 3u);
  EXPECT_EQ(put.runs[1].offset, ~uint64_t{0});
  EXPECT_EQ(put.runs[1].bytes, 4u);
  EXPECT_EQ(RoundTrip(NcclPutDone{4, 5}).transfer, 5u);
  EXPECT_TRUE(RoundTrip(NcclFailed{6, true, "why"}).by_sender);
  EXPECT_EQ(RoundTrip(NcclFailed{6, true, "why"}).reason, "why");
  (void)RoundTrip(NcclHello{});
}

TEST(NcclMessages, CarryPayloadsOfAnyBytes) {
  for (const std::string& text :
       {std::string(), std::string("\0\1\2", 3), std::string(5000, 'x')}) {
    const std::string bytes = Encode(NcclPayload{true, Bytes(text)});
    const auto payload = std::get<NcclPayload>(*DecodeNccl(Bytes(bytes)));
    EXPECT_TRUE(payload.continues);
    EXPECT_EQ(
        std::string(reinterpret_cast<const char*>(payload.bytes.data()), payload.bytes.size()),
        text);
  }
}

TEST(NcclMessages, AreRefusedWhenTheyAreCutOrUnknown) {
  for (const std::string& whole :
       {Encode(SomePut()), Encode(NcclInvite{}), Encode(NcclPutDone{}), Encode(NcclFailed{})}) {
    const size_t fixed = whole[0] == Encode(SomePut())[0] ? whole.size() - 20 : whole.size();
    for (size_t bytes = 0; bytes < fixed; ++bytes) {
      EXPECT_FALSE(DecodeNccl(Bytes(whole.substr(0, bytes)))) << bytes;
    }
  }
  EXPECT_FALSE(DecodeNccl(Bytes(Encode(SomePut()) + "x")));
  EXPECT_FALSE(DecodeNccl(Bytes(Encode(NcclHello{}) + "x")));
  EXPECT_FALSE(DecodeNccl(Bytes(std::string(1, '\x7F'))));
}

TEST(NcclAddress, ComesBackAsItWas) {
  const NcclAddress address = *NcclAddress::Decode(
      NcclAddress{.sends = true, .version = 22809, .region_bytes = {77, 78}, .messages = "inner"}
          .Encode());
  EXPECT_TRUE(address.sends);
  EXPECT_FALSE(address.receives);
  EXPECT_EQ(address.version, 22809);
  EXPECT_EQ(address.region_bytes, (std::vector<uint64_t>{77, 78}));
  EXPECT_EQ(address.messages, "inner");
}

TEST(NcclAddress, RefusesOthers) {
  EXPECT_FALSE(NcclAddress::Decode("").ok());
  EXPECT_FALSE(NcclAddress::Decode("baton-ucx-1").ok());
  const std::string address = NcclAddress{.region_bytes = {77}}.Encode();
  for (size_t bytes = 0; bytes < address.size(); ++bytes) {
    EXPECT_FALSE(NcclAddress::Decode(address.substr(0, bytes)).ok()) << bytes;
  }
}

}  // namespace
}  // namespace baton::transport
