#include "baton/model/shard.h"

#include <cstring>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/device/host_memory.h"
#include "baton/model/model.h"
#include "support/tiny_model.h"

namespace baton::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::filesystem::path kRoot = BATON_SOURCE_DIR;

ModelConfig Shape(int32_t query_heads, int32_t kv_heads, int32_t intermediate, int32_t vocabulary) {
  ModelConfig config;
  config.query_heads = query_heads;
  config.kv_heads = kv_heads;
  config.intermediate = intermediate;
  config.vocabulary = vocabulary;
  return config;
}

TEST(Shard, TakesAnEqualPartOfHeadsAndColumnsAndItsShareOfTheVocabulary) {
  const auto shard = Shard::Of(Shape(8, 4, 96, 101), 1, 4);
  ASSERT_TRUE(shard.ok()) << shard.status();
  EXPECT_EQ(shard->first_query_head, 2);
  EXPECT_EQ(shard->query_heads, 2);
  EXPECT_EQ(shard->first_kv_head, 1);
  EXPECT_EQ(shard->kv_heads, 1);
  EXPECT_EQ(shard->first_intermediate, 24);
  EXPECT_EQ(shard->intermediate, 24);
  EXPECT_EQ(shard->first_token, 25);
  EXPECT_EQ(shard->tokens, 25);
}

TEST(Shard, GivesEachQueryHeadTheKvHeadThatItReads) {
  for (const int32_t kv_heads : {1, 2, 4, 8}) {
    const ModelConfig config = Shape(16, kv_heads, 64, 64);
    for (const int32_t ranks : {1, 2, 4, 8, 16}) {
      for (int32_t rank = 0; rank < ranks; ++rank) {
        const auto shard = Shard::Of(config, rank, ranks);
        ASSERT_TRUE(shard.ok()) << shard.status();
        for (int32_t h = 0; h < shard->query_heads; ++h) {
          const int32_t of_whole = (shard->first_query_head + h) / (16 / kv_heads);
          const int32_t of_shard = h / (shard->query_heads / shard->kv_heads);
          EXPECT_EQ(shard->first_kv_head + of_shard, of_whole)
              << kv_heads << " KV heads, rank " << rank << " of " << ranks << ", head " << h;
        }
      }
    }
  }
}

TEST(Shard, NamesWhatDoesNotDivideAndWhatFits) {
  const auto error = [](const ModelConfig& config, int32_t ranks) {
    return Shard::Of(config, 0, ranks).status().message();
  };
  EXPECT_EQ(error(Shape(6, 6, 96, 100), 4),
            "a tensor parallelism of 4 does not fit this model: num_attention_heads is 6, no "
            "multiple of 4; what fits is 1, 2, 3, 6");
  EXPECT_THAT(error(Shape(12, 4, 96, 100), 3), HasSubstr("num_key_value_heads is 4"));
  EXPECT_THAT(error(Shape(8, 8, 100, 100), 8),
              HasSubstr("intermediate_size is 100, no multiple of 8; what fits is 1, 2, 4"));
  EXPECT_THAT(error(Shape(64, 64, 64, 3), 4), HasSubstr("vocab_size is 3"));
  EXPECT_THAT(error(Shape(8, 8, 96, 100), 0), HasSubstr("from 1 to 64"));
  EXPECT_THAT(error(Shape(128, 128, 128, 128), 128), HasSubstr("from 1 to 64"));
}

/// Dense bytes of what a linear layer has as its weight.
std::string Dense(const LinearWeights& linear) {
  const TensorView& weight = linear.weight;
  const auto row = static_cast<size_t>(weight.shape[1]) * DTypeBytes(weight.dtype);
  const auto stride =
      linear.stride == 0 ? row : static_cast<size_t>(linear.stride) * DTypeBytes(weight.dtype);
  std::string bytes;
  for (size_t n = 0; n < static_cast<size_t>(weight.shape[0]); ++n) {
    bytes.append(static_cast<const char*>(weight.data) + n * stride, row);
  }
  return bytes;
}

std::string Bytes(const TensorView& view) {
  if (view.data == nullptr) return "";
  return {static_cast<const char*>(view.data), view.bytes()};
}

/// Whole weights, and the same as shards by rank.
class ShardedWeights {
 public:
  ShardedWeights(const std::filesystem::path& folder, int32_t ranks) : ranks_(ranks) {
    const auto config = ModelConfig::Load(folder);
    BATON_CHECK(config.ok()) << config.status();
    config_ = *config;
    whole_ = *Weights::Load(folder, config_);
    for (int32_t rank = 0; rank < ranks; ++rank) {
      shards_.push_back(*Weights::Load(folder, config_));
      shards_.back().Narrow(config_, *Shard::Of(config_, rank, ranks));
    }
  }

  size_t layers() const { return whole_.layers.size(); }
  const ModelConfig& config() const { return config_; }
  const Weights& whole() const { return whole_; }
  const std::vector<Weights>& shards() const { return shards_; }

  /// Of every `every`th shard, one after the other.
  std::string Rows(size_t layer, LinearWeights LayerWeights::*linear, int32_t every = 1) const {
    std::string bytes;
    for (int32_t r = 0; r < ranks_; r += every) bytes += Dense(At(r, layer).*linear);
    return bytes;
  }
  std::string Biases(size_t layer, LinearWeights LayerWeights::*linear, int32_t every = 1) const {
    std::string bytes;
    for (int32_t r = 0; r < ranks_; r += every) bytes += Bytes((At(r, layer).*linear).bias);
    return bytes;
  }
  /// Of all shards, side by side.
  std::string Columns(size_t layer, LinearWeights LayerWeights::*linear) const {
    std::string bytes;
    const TensorView& first = (At(0, layer).*linear).weight;
    const auto row = static_cast<size_t>(first.shape[1]) * DTypeBytes(first.dtype);
    for (size_t n = 0; n < static_cast<size_t>(first.shape[0]); ++n) {
      for (int32_t r = 0; r < ranks_; ++r) {
        bytes += Dense(At(r, layer).*linear).substr(n * row, row);
      }
    }
    return bytes;
  }

 private:
  const LayerWeights& At(int32_t rank, size_t layer) const {
    return shards_[static_cast<size_t>(rank)].layers[layer];
  }

  const int32_t ranks_;
  ModelConfig config_;
  Weights whole_;
  std::vector<Weights> shards_;
};

void ExpectReassembled(const std::filesystem::path& folder, int32_t ranks) {
  SCOPED_TRACE(folder.string() + ", " + std::to_string(ranks) + " ranks");
  const ShardedWeights sharded(folder, ranks);
  // Where ranks outnumber KV heads, every so many ranks hold the next one.
  const int32_t copies = std::max(1, ranks / sharded.config().kv_heads);
  for (size_t l = 0; l < sharded.layers(); ++l) {
    const LayerWeights& whole = sharded.whole().layers[l];
    for (const auto linear : {&LayerWeights::q, &LayerWeights::gate, &LayerWeights::up}) {
      EXPECT_EQ(sharded.Rows(l, linear), Dense(whole.*linear));
      EXPECT_EQ(sharded.Biases(l, linear), Bytes((whole.*linear).bias));
    }
    for (const auto linear : {&LayerWeights::k, &LayerWeights::v}) {
      EXPECT_EQ(sharded.Rows(l, linear, copies), Dense(whole.*linear));
      EXPECT_EQ(sharded.Biases(l, linear, copies), Bytes((whole.*linear).bias));
    }
    for (const auto linear : {&LayerWeights::o, &LayerWeights::down}) {
      EXPECT_EQ(sharded.Columns(l, linear), Dense(whole.*linear));
      EXPECT_EQ(sharded.Biases(l, linear), Bytes((whole.*linear).bias)) << "added once";
    }
  }
  std::string output;
  for (const Weights& shard : sharded.shards()) output += Bytes(shard.output);
  EXPECT_EQ(output, Bytes(sharded.whole().output));
}

TEST(ShardedWeights, OfEveryFamilyReassembleToTheWhole) {
  int models = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(kRoot / "tests" / "data" / "goldens")) {
    if (!std::filesystem::exists(entry.path() / "config.json")) continue;
    const auto config = ModelConfig::Load(entry.path());
    ASSERT_TRUE(config.ok()) << config.status();
    for (const int32_t ranks : {1, 2, 4}) {
      if (config->query_heads % ranks == 0) ExpectReassembled(entry.path(), ranks);
    }
    ++models;
  }
  EXPECT_GE(models, 15);
}

TEST(ShardedWeights, LieDenselyOnADevice) {
  testing_support::TemporaryFolder folder;
  for (const bool tied : {false, true}) {
    testing_support::WriteTinyModel(folder.path(), {.tied_embeddings = tied});
    for (const int32_t rank : {0, 1, 2, 3}) {
      device::HostMemory device;
      const auto mapped = *Model::Load(folder.path(), {.rank = rank, .ranks = 4});
      const auto placed =
          *Model::Load(folder.path(), {.memory = &device, .rank = rank, .ranks = 4});
      const LayerWeights& expected = mapped->weights().layers[1];
      const LayerWeights& layer = placed->weights().layers[1];
      for (const auto linear : {&LayerWeights::q, &LayerWeights::o, &LayerWeights::down}) {
        EXPECT_EQ((layer.*linear).stride, 0);
        EXPECT_EQ(Dense(layer.*linear), Dense(expected.*linear));
      }
      EXPECT_EQ(Bytes(placed->weights().output), Bytes(mapped->weights().output)) << tied;
      EXPECT_EQ(placed->fingerprint(), mapped->fingerprint());
    }
  }
}

TEST(ShardedWeights, OfRandomWeightsAreThoseOfTheWhole) {
  testing_support::TemporaryFolder folder;
  testing_support::WriteTinyModel(folder.path());
  const auto whole = *Model::Load(folder.path(), {.random_weights = true});
  std::string up;
  for (const int32_t rank : {0, 1}) {
    const auto shard =
        *Model::Load(folder.path(), {.random_weights = true, .rank = rank, .ranks = 2});
    up += Dense(shard->weights().layers[0].up);
    EXPECT_EQ(shard->fingerprint(), whole->fingerprint());
  }
  EXPECT_EQ(up, Dense(whole->weights().layers[0].up));
}

TEST(ShardedWeights, CopyNothing) {
  testing_support::TemporaryFolder folder;
  testing_support::WriteTinyModel(folder.path());
  const ShardedWeights sharded(folder.path(), 2);
  const Weights& shard = sharded.shards()[1];
  const StoredTensor* down = shard.checkpoint().Find("model.layers.0.mlp.down_proj.weight");
  ASSERT_NE(down, nullptr);
  EXPECT_EQ(shard.layers[0].down.weight.data, down->data + 24 * 2);
  EXPECT_EQ(shard.layers[0].down.stride, 48);
}

}  // namespace
}  // namespace baton::model
