#include <algorithm>

#include <gtest/gtest.h>

#include "pair.h"

/// The transfer hides behind the computation: what a prompt of eight chunks has left to put when
/// its last chunk is computed is at most that chunk's share.
namespace baton::handoff {
namespace {

constexpr int32_t kChunks = 8;

struct Chunking {
  int32_t chunk_tokens = 0;
  int32_t layer_group = 0;
  int64_t least_piece_bytes = 0;

  friend std::ostream& operator<<(std::ostream& out, const Chunking& chunking) {
    return out << kChunks << " chunks of " << chunking.chunk_tokens << " tokens, layers by "
               << chunking.layer_group << ", pieces from " << chunking.least_piece_bytes
               << " bytes";
  }
};

class Overlap : public HandoffPair, public testing::WithParamInterface<Chunking> {
 protected:
  void SetUp() override {
    prefill_options_.least_piece_bytes = GetParam().least_piece_bytes;
    Start();
    ASSERT_TRUE(Offer(7, Prompt(), BlockRange(0, Blocks())).ok());
    prefill_->Blocks(SequenceId{1}, BlockRange(0, Blocks()), 0);
  }

  int32_t Prompt() const { return kChunks * GetParam().chunk_tokens; }
  int32_t Blocks() const { return (Prompt() + 3) / 4; }
  int64_t TotalBytes() const { return Blocks() * SmallGeometry().block_bytes(); }

  /// Computes a chunk in all layers and lets the puts end that were started meanwhile, but for the
  /// last layer group when `keep_last_group`: the engine has it, and the transport thread not yet.
  void Compute(int32_t chunk, bool keep_last_group) {
    const int32_t layers = SmallGeometry().layers;
    for (int32_t begin = 0; begin < layers; begin += GetParam().layer_group) {
      const int32_t end = std::min(layers, begin + GetParam().layer_group);
      if (keep_last_group && end == layers) return;
      prefill_->KvReady(SequenceId{1}, begin, end, (chunk + 1) * GetParam().chunk_tokens);
      Pump();
    }
  }
  /// Bytes that the decode side lacks; those of the prefill side are never zero.
  int64_t MissingBytes() const {
    return std::count(d_region_.data, d_region_.data + TotalBytes(), std::byte{0});
  }
};

TEST_P(Overlap, LeavesAtMostTheLastChunksShareForTheEnd) {
  for (int32_t chunk = 0; chunk < kChunks; ++chunk) Compute(chunk, chunk + 1 == kChunks);
  // The last block of the seventh chunk may have been half full.
  EXPECT_LE(MissingBytes(), TotalBytes() / kChunks + SmallGeometry().block_bytes());

  prefill_->KvReady(SequenceId{1}, 0, SmallGeometry().layers, Prompt());
  prefill_->Prefilled(SequenceId{1}, {.token = 5, .position = Prompt()});
  Pump();
  EXPECT_EQ(MissingBytes(), 0);
  EXPECT_EQ(d_.said, std::vector<std::string>{"committed 7"});
}

/// With layer groups that are large enough to be put on their own.
class OverlapByLayers : public Overlap {};

TEST_P(OverlapByLayers, LeavesAtMostTheLastChunksLastLayersForTheEnd) {
  const int32_t group = GetParam().layer_group;
  for (int32_t chunk = 0; chunk < kChunks; ++chunk) Compute(chunk, chunk + 1 == kChunks);
  const int32_t layers = SmallGeometry().layers;
  const int32_t last_group = layers % group == 0 ? group : layers % group;
  EXPECT_LE(MissingBytes(),
            TotalBytes() / kChunks * last_group / layers + SmallGeometry().block_bytes());
}

std::vector<Chunking> Chunkings(bool large_groups_only) {
  std::vector<Chunking> all;
  for (const int32_t tokens : {4, 8, 9, 15, 31}) {
    for (const int32_t group : {1, 2, 3, 4}) {
      for (const int64_t least : {1, 512, 1 << 20}) {
        const bool large = group * SmallGeometry().layer_bytes() >= least;
        if (large || !large_groups_only) all.push_back({tokens, group, least});
      }
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Chunkings, Overlap, testing::ValuesIn(Chunkings(false)));
INSTANTIATE_TEST_SUITE_P(Chunkings, OverlapByLayers, testing::ValuesIn(Chunkings(true)));

}  // namespace
}  // namespace baton::handoff
