#include "baton/kv/kv_geometry.h"

#include <gtest/gtest.h>

namespace baton::kv {
namespace {

constexpr KvGeometry kOurs{.layers = 4, .kv_heads = 8, .head_dim = 64, .block_tokens = 16};

TEST(KvGeometry, NamesTheFirstFieldThatDiffersAndBothValues) {
  KvGeometry theirs = kOurs;
  EXPECT_TRUE(CheckCompatible(kOurs, theirs).ok());
  theirs.dtype = DType::kFloat32;
  const Status status = CheckCompatible(kOurs, theirs);
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "KV geometries differ in dtype: ours bfloat16, theirs float32");
}

TEST(KvGeometry, TakesBlockTokensOfWhichOneDividesTheOther) {
  for (const int32_t tokens : {1, 8, 16, 64}) {
    KvGeometry theirs = kOurs;
    theirs.block_tokens = tokens;
    EXPECT_TRUE(CheckCompatible(kOurs, theirs).ok()) << tokens;
  }
  for (const int32_t tokens : {-16, 0, 3, 24}) {
    KvGeometry theirs = kOurs;
    theirs.block_tokens = tokens;
    EXPECT_FALSE(CheckCompatible(kOurs, theirs).ok()) << tokens;
  }
}

TEST(KvGeometry, TakesRanksThatShareTheHeadsEvenly) {
  for (const int32_t ranks : {1, 2, 4, 8, 16, 64}) {
    KvGeometry theirs = kOurs;
    theirs.tp_size = ranks;
    EXPECT_TRUE(CheckCompatible(kOurs, theirs).ok()) << ranks;
  }
  for (const int32_t ranks : {-1, 0, 3, 12, 128}) {
    KvGeometry theirs = kOurs;
    theirs.tp_size = ranks;
    EXPECT_FALSE(CheckCompatible(kOurs, theirs).ok()) << ranks;
  }
}

TEST(KvGeometry, KeepsAScaleBehindEachRowOfInt8) {
  KvGeometry geometry = kOurs;
  geometry.dtype = DType::kInt8;
  EXPECT_EQ(geometry.row_bytes(), 64 + 4);
  EXPECT_EQ(geometry.block_bytes(), int64_t{4} * 2 * 8 * 16 * (64 + 4));
  EXPECT_EQ(CheckCompatible(kOurs, geometry).message(),
            "KV geometries differ in dtype: ours bfloat16, theirs int8");
}

TEST(KvGeometry, SplitsHeadsOverRanksAndRepeatsThemWhereRanksAreMore) {
  KvGeometry geometry = kOurs;
  geometry.tp_size = 2;
  EXPECT_EQ(geometry.rank_kv_heads(), 4);
  EXPECT_EQ(geometry.first_kv_head(1), 4);
  EXPECT_EQ(geometry.block_bytes(), kOurs.block_bytes() / 2);
  geometry.tp_size = 16;
  EXPECT_EQ(geometry.rank_kv_heads(), 1);
  EXPECT_EQ(geometry.first_kv_head(4), 2);
  EXPECT_EQ(geometry.first_kv_head(5), 2);
}

}  // namespace
}  // namespace baton::kv
