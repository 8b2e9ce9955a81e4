#include "sse_reader.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::loadgen {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> EventsOf(const std::vector<std::string_view>& pieces) {
  std::vector<std::string> events;
  SseReader reader;
  for (const std::string_view piece : pieces) {
    reader.Read(piece, [&](std::string_view data) { events.emplace_back(data); });
  }
  return events;
}

constexpr std::string_view kStream =
    ": comment\n\nevent: x\ndata: one\n\ndata:two\r\n\r\nid: 3\rdata: a\rdata: b\r\rdata: \n\n";

TEST(SseReader, TakesTheDataOfEveryEvent) {
  EXPECT_THAT(EventsOf({kStream}), ElementsAre("one", "two", "a\nb", ""));
}

TEST(SseReader, ReadsTheSameHoweverTheBytesAreCut) {
  const auto whole = EventsOf({kStream});
  for (size_t i = 0; i <= kStream.size(); ++i) {
    for (size_t k = i; k <= kStream.size(); ++k) {
      ASSERT_EQ(EventsOf({kStream.substr(0, i), kStream.substr(i, k - i), kStream.substr(k)}),
                whole)
          << i << " " << k;
    }
  }
}

TEST(SseReader, TakesNoEventThatHasNotEnded) { EXPECT_THAT(EventsOf({"data: a\n"}), IsEmpty()); }

TEST(SseReader, TakesNothingFromEventsWithoutData) {
  EXPECT_THAT(EventsOf({"event: ping\n\n: hello\n\n"}), IsEmpty());
}

}  // namespace
}  // namespace baton::loadgen
