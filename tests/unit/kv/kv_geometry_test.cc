#include "baton/kv/kv_geometry.h"

#include <gtest/gtest.h>

namespace baton::kv {
namespace {

TEST(KvGeometry, NamesTheFirstFieldThatDiffersAndBothValues) {
  const KvGeometry ours{.layers = 4, .kv_heads = 2, .head_dim = 64};
  KvGeometry theirs = ours;
  EXPECT_TRUE(CheckCompatible(ours, theirs).ok());
  theirs.dtype = DType::kFloat32;
  const Status status = CheckCompatible(ours, theirs);
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "KV geometries differ in dtype: ours bfloat16, theirs float32");
}

}  // namespace
}  // namespace baton::kv
