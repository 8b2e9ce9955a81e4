#include "baton/kv/kv_cache.h"

#include <vector>

#include <gtest/gtest.h>

namespace baton::kv {
namespace {

constexpr KvGeometry kGeometry{
    .layers = 3, .kv_heads = 2, .head_dim = 8, .block_tokens = 4, .dtype = DType::kBFloat16};

TEST(KvCache, LaysABlockOutAsOneRunOfItsLayers) {
  std::vector<std::byte> memory(static_cast<size_t>(kGeometry.block_bytes()) * 5 + 7);
  auto cache = KvCache::Create(kGeometry, memory);
  ASSERT_TRUE(cache.ok()) << cache.status();
  EXPECT_EQ(cache->blocks(), 5);

  const ops::PagedKv layer = cache->Layer(2);
  EXPECT_EQ(layer.base, memory.data() + 2 * 2 * (2 * 4 * 8 * 2));
  EXPECT_EQ(layer.v_offset, 2 * 4 * 8 * 2);
  EXPECT_EQ(layer.block_stride, kGeometry.block_bytes());
  EXPECT_EQ(cache->Block(BlockId{4}).data(), memory.data() + 4 * kGeometry.block_bytes());
}

TEST(KvCache, RefusesMemoryThatHoldsNoBlock) {
  std::vector<std::byte> memory(static_cast<size_t>(kGeometry.block_bytes()) - 1);
  const auto cache = KvCache::Create(kGeometry, memory);
  ASSERT_FALSE(cache.ok());
  EXPECT_EQ(cache.status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace baton::kv
