#include "replay_sizes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::model {
namespace {

using testing::ElementsAre;

std::vector<int32_t> RowsOf(const ReplaySizes& sizes) {
  std::vector<int32_t> rows;
  for (const ReplaySize& size : sizes.All()) {
    if (rows.empty() || size.rows > rows.back()) rows.push_back(size.rows);
  }
  return rows;
}

TEST(ReplaySizes, AreDenserWhereThereAreManyRowsAndEndAtTheMost) {
  EXPECT_THAT(RowsOf({1, 100, 16}), ElementsAre(1));
  EXPECT_THAT(RowsOf({3, 100, 16}), ElementsAre(1, 2, 3));
  EXPECT_THAT(RowsOf({64, 100, 16}), ElementsAre(1, 2, 4, 8, 16, 32, 48, 64));
  EXPECT_THAT(RowsOf({200, 100, 16}), ElementsAre(1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 192, 200));
}

TEST(ReplaySizes, AreTheLeastThatTakeAStep) {
  const ReplaySizes sizes(200, 700, 16);
  EXPECT_EQ(sizes.For(1, 1), (ReplaySize{.rows = 1, .table_blocks = 32}));
  EXPECT_EQ(sizes.For(33, 32), (ReplaySize{.rows = 48, .table_blocks = 32}));
  EXPECT_EQ(sizes.For(48, 33), (ReplaySize{.rows = 48, .table_blocks = 128}));
  EXPECT_EQ(sizes.For(193, 513), (ReplaySize{.rows = 200, .table_blocks = 700}));
  EXPECT_EQ(sizes.For(201, 1), std::nullopt);
}

TEST(ReplaySizes, AreAllReachedAndHaveKeysOfTheirOwn) {
  const ReplaySizes sizes(70, 300, 32);
  std::vector<uint64_t> keys;
  for (const ReplaySize& size : sizes.All()) {
    EXPECT_EQ(sizes.For(size.rows, size.table_blocks), size);
    keys.push_back(size.key());
  }
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(std::unique(keys.begin(), keys.end()), keys.end());
  EXPECT_GT(keys.size(), 20);
}

TEST(ReplaySizes, OfNoRowsAreNone) {
  const ReplaySizes none(0, 300, 32);
  EXPECT_THAT(none.All(), testing::IsEmpty());
  EXPECT_EQ(none.For(1, 1), std::nullopt);
}

}  // namespace
}  // namespace baton::model
