#include "slice_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::discovery {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

EndpointSlice Slice(const std::string& name, std::vector<Endpoint> endpoints) {
  return {.name = name,
          .service = "decode",
          .endpoints = std::move(endpoints),
          .ports = {{"grpc", 7000}}};
}

class SliceTableTest : public testing::Test {
 protected:
  SliceTable table_{{{.name = "decode", .port = {}}}};
};

TEST_F(SliceTableTest, NamesEachAddressOfSeveralSlicesOnce) {
  table_.Put(Slice("a", {{.address = "10.0.0.2"}, {.address = "10.0.0.1"}}));
  table_.Put(Slice("b", {{.address = "10.0.0.2"}, {.address = "10.0.0.3"}}));
  EXPECT_THAT(table_.View().ready, ElementsAre("10.0.0.1:7000", "10.0.0.2:7000", "10.0.0.3:7000"));
}

TEST_F(SliceTableTest, WithdrawsWhoIsNotReadyOrEndsWhateverElseIsSaid) {
  table_.Put(Slice("a", {{.address = "10.0.0.1", .ready = false},
                         {.address = "10.0.0.2", .ready = true, .terminating = true}}));
  EXPECT_THAT(table_.View().ready, IsEmpty());
  EXPECT_THAT(table_.View().withdrawn, ElementsAre("10.0.0.1:7000", "10.0.0.2:7000"));
}

TEST_F(SliceTableTest, BelievesOfAPodInTwoSlicesThatItEnds) {
  table_.Put(Slice("a", {{.address = "10.0.0.1", .uid = "u"}}));
  table_.Put(Slice("b", {{.address = "10.0.0.1", .uid = "u", .terminating = true}}));
  EXPECT_THAT(table_.View().withdrawn, ElementsAre("10.0.0.1:7000"));
}

TEST_F(SliceTableTest, TakesAPodThatCameAfterAnotherAtItsAddress) {
  table_.Put(Slice("a", {{.address = "10.0.0.1", .uid = "old", .terminating = true}}));
  table_.Put(Slice("b", {{.address = "10.0.0.1", .uid = "new"}}));
  EXPECT_THAT(table_.View().ready, ElementsAre("10.0.0.1:7000"));
  EXPECT_THAT(table_.View().withdrawn, IsEmpty());
}

TEST_F(SliceTableTest, HasAPodOfBothFamiliesOnce) {
  table_.Put(Slice("four", {{.address = "10.0.0.1", .uid = "u"}}));
  table_.Put(
      Slice("six", {{.address = "fd00::1", .uid = "u"}, {.address = "fd00::2", .uid = "v"}}));
  EXPECT_THAT(table_.View().ready, ElementsAre("10.0.0.1:7000", "[fd00::2]:7000"));
}

TEST_F(SliceTableTest, ForgetsASliceThatIsRemoved) {
  table_.Put(Slice("a", {{.address = "10.0.0.1"}}));
  table_.Remove("a");
  EXPECT_THAT(table_.View().ready, IsEmpty());
}

TEST_F(SliceTableTest, SaysWhichPortsThereAreWhereOneMustBeNamed) {
  EndpointSlice slice = Slice("a", {{.address = "10.0.0.1"}});
  slice.ports.push_back({"http", 8000});
  table_.Put(slice);
  EXPECT_THAT(table_.View().ready, IsEmpty());
  EXPECT_THAT(table_.View().problem.message(), HasSubstr("grpc, http"));
}

TEST(SliceTable, FindsThePortByNameOrNumber) {
  for (const auto& [port, address] :
       {std::pair{"grpc", "10.0.0.1:7000"}, std::pair{"7009", "10.0.0.1:7009"}}) {
    SliceTable table(std::vector<config::ServiceName>{{.name = "decode", .port = port}});
    table.Put(Slice("a", {{.address = "10.0.0.1"}}));
    EXPECT_THAT(table.View().ready, ElementsAre(address));
  }
}

}  // namespace
}  // namespace baton::discovery
