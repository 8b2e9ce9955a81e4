#include "stream_table.h"

#include <gtest/gtest.h>

namespace baton::worker {
namespace {

constexpr SequenceId kFirst{2};
constexpr SequenceId kSecond{4};

class SilentStream final : public rpc::GenerateStream {
 public:
  bool SendRoute(const std::string&) override { return true; }
  bool SendToken(const TokenOutput&) override { return true; }
  void Finish(const Status&) override {}
};

TEST(StreamTable, FindsASequenceByItsStreamAndBack) {
  StreamTable table;
  const auto first = std::make_shared<SilentStream>();
  const auto second = std::make_shared<SilentStream>();
  table.Add(
      kFirst,
      {.stream = first,
       .call = std::make_shared<const rpc::GenerateCall>(rpc::GenerateCall{.prefill_peer = "p0"})});
  table.Add(kSecond, {.stream = second});
  EXPECT_EQ(table.FindSequence(first.get()), kFirst);
  EXPECT_EQ(table.Find(kSecond), second);
  EXPECT_EQ(table.FindCall(kFirst)->prefill_peer, "p0");
  EXPECT_EQ(table.size(), 2U);
}

TEST(StreamTable, ListsTheSequencesThatAreThere) {
  StreamTable table;
  table.Add(kFirst, {.stream = std::make_shared<SilentStream>()});
  table.Add(kSecond, {.stream = std::make_shared<SilentStream>()});
  table.Remove(kFirst);
  EXPECT_EQ(table.Sequences(), std::vector{kSecond});
}

TEST(StreamTable, TellsARouteOnce) {
  StreamTable table;
  const auto stream = std::make_shared<SilentStream>();
  table.Add(kFirst, {.stream = stream});
  EXPECT_EQ(table.TakeUnrouted(kFirst), stream);
  EXPECT_EQ(table.TakeUnrouted(kFirst), nullptr);
  EXPECT_EQ(table.TakeUnrouted(kSecond), nullptr);
}

TEST(StreamTable, ForgetsWhatIsRemoved) {
  StreamTable table;
  const auto stream = std::make_shared<SilentStream>();
  table.Add(kFirst, {.stream = stream});
  EXPECT_EQ(table.Remove(kFirst), stream);
  EXPECT_EQ(table.Remove(kFirst), nullptr);
  EXPECT_EQ(table.FindSequence(stream.get()), std::nullopt);
  EXPECT_EQ(table.FindCall(kFirst), nullptr);
  EXPECT_EQ(table.size(), 0U);
}

}  // namespace
}  // namespace baton::worker
