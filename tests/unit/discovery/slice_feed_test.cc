#include "slice_feed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::discovery {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::chrono::seconds kWatch{60};

std::string Slice(const std::string& name, const std::string& address, const std::string& version) {
  return R"({"metadata":{"name":")" + name + R"(","resourceVersion":")" + version +
         R"(","labels":{"kubernetes.io/service-name":"decode"}},"addressType":"IPv4",)" +
         R"("endpoints":[{"addresses":[")" + address + R"("],"conditions":{"ready":null}}],)" +
         R"("ports":[{"name":"grpc","port":7000,"protocol":"TCP"}]})";
}
std::string Page(const std::string& items, const std::string& version,
                 const std::string& next = {}) {
  return R"({"metadata":{"resourceVersion":")" + version + R"(","continue":")" + next +
         R"("},"items":[)" + items + "]}";
}
std::string Event(const std::string& type, const std::string& object) {
  return R"({"type":")" + type + R"(","object":)" + object + "}";
}

class SliceFeedTest : public testing::Test {
 protected:
  void List() { ASSERT_TRUE(feed_.OnPage(Page(Slice("a", "10.0.0.1", "4"), "5")).ok()); }
  SliceFeed feed_{"models", {{.name = "prefill", .port = {}}, {.name = "decode", .port = {}}}};
};

TEST_F(SliceFeedTest, ListsItsServicesAndWatchesFromThere) {
  EXPECT_THAT(feed_.Target(kWatch), HasSubstr("/namespaces/models/endpointslices?labelSelector="
                                              "kubernetes.io%2Fservice-name%20in%20%28prefill%2C"
                                              "decode%29"));
  List();
  EXPECT_FALSE(feed_.lists());
  EXPECT_THAT(feed_.Target(kWatch), HasSubstr("resourceVersion=5&timeoutSeconds=60"));
  EXPECT_THAT(feed_.View().ready, ElementsAre("10.0.0.1:7000"));
}

TEST_F(SliceFeedTest, TakesAListOnceItsLastPageHasCome) {
  ASSERT_TRUE(feed_.OnPage(Page(Slice("a", "10.0.0.1", "4"), "5", "more==")).ok());
  EXPECT_FALSE(feed_.complete());
  EXPECT_THAT(feed_.Target(kWatch), HasSubstr("&continue=more%3D%3D"));
  ASSERT_TRUE(feed_.OnPage(Page(Slice("b", "10.0.0.2", "4"), "5")).ok());
  EXPECT_TRUE(feed_.complete());
  EXPECT_THAT(feed_.View().ready, ElementsAre("10.0.0.1:7000", "10.0.0.2:7000"));
}

TEST_F(SliceFeedTest, WatchesFromTheFirstPageOnWhereALaterOneIsOfALaterVersion) {
  ASSERT_TRUE(feed_.OnPage(Page(Slice("a", "10.0.0.1", "4"), "5", "more")).ok());
  ASSERT_TRUE(feed_.OnPage(Page(Slice("b", "10.0.0.2", "7"), "8")).ok());
  EXPECT_THAT(feed_.Target(kWatch), HasSubstr("resourceVersion=5&"));
  feed_.Relist();
  ASSERT_TRUE(feed_.OnPage(Page(Slice("a", "10.0.0.1", "9"), "9", "more")).ok());
  feed_.Relist();
  List();
  EXPECT_THAT(feed_.Target(kWatch), HasSubstr("resourceVersion=5&"));
}

TEST_F(SliceFeedTest, FollowsEventsAndBookmarks) {
  List();
  ASSERT_TRUE(feed_.OnLine(Event("ADDED", Slice("b", "10.0.0.2", "6"))).ok());
  ASSERT_TRUE(feed_.OnLine(Event("DELETED", Slice("a", "10.0.0.1", "7"))).ok());
  ASSERT_TRUE(feed_.OnLine(Event("BOOKMARK", R"({"metadata":{"resourceVersion":"9"}})")).ok());
  EXPECT_THAT(feed_.View().ready, ElementsAre("10.0.0.2:7000"));
  EXPECT_THAT(feed_.Target(kWatch), HasSubstr("resourceVersion=9&"));
}

TEST_F(SliceFeedTest, ListsAnewAndKeepsWhatItKnowsWhereAVersionIsGone) {
  List();
  const Status status = feed_.OnLine(Event("ERROR", R"({"code":410,"message":"too old"})"));
  EXPECT_EQ(status.code(), StatusCode::kAborted);
  EXPECT_THAT(feed_.Target(kWatch), Not(HasSubstr("watch=true")));
  EXPECT_THAT(feed_.View().ready, ElementsAre("10.0.0.1:7000"));
}

TEST_F(SliceFeedTest, KeepsWhatItKnowsWhateverElseComes) {
  const std::string deep(5000, '[');
  for (const std::string& garbage : {std::string("<html>"), deep, std::string("[1]"),
                                     std::string(R"({"items":{}})"), std::string("\xFF\x00", 2)}) {
    List();
    EXPECT_FALSE(feed_.OnLine(garbage).ok());
    EXPECT_FALSE(feed_.OnPage(garbage).ok());
    EXPECT_TRUE(feed_.lists());
    EXPECT_THAT(feed_.View().ready, ElementsAre("10.0.0.1:7000"));
  }
}

TEST_F(SliceFeedTest, EndsAListThatHasNoEnd) {
  Status status;
  for (int i = 0; i < 2000 && status.ok(); ++i) status = feed_.OnPage(Page("", "5", "more"));
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace baton::discovery
