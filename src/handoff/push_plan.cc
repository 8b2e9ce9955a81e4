#include "push_plan.h"

#include <algorithm>

#include "baton/base/check.h"
#include "baton/base/units.h"

namespace baton::handoff {
namespace {

using transport::Descriptor;

int32_t UnitTokens(const kv::KvGeometry& source, const kv::KvGeometry& destination) {
  return std::min(source.block_tokens, destination.block_tokens);
}

/// Of K of a token in the first layer and head of a rank.
uint64_t TokenOffset(const kv::KvGeometry& geometry, const std::vector<BlockId>& blocks,
                     int32_t token) {
  const BlockId block = blocks[static_cast<size_t>(token / geometry.block_tokens)];
  return static_cast<uint64_t>(Index(block) * geometry.block_bytes() +
                               token % geometry.block_tokens * geometry.row_bytes());
}

/// Of K or V of a layer and head from there.
uint64_t HeadOffset(const kv::KvGeometry& geometry, size_t layer, int32_t plane, int32_t head) {
  return layer * static_cast<uint64_t>(geometry.layer_bytes()) +
         static_cast<uint64_t>(plane * geometry.plane_bytes() + head * geometry.head_bytes());
}

}  // namespace

int32_t BlocksOf(int32_t tokens, const kv::KvGeometry& geometry) {
  return CeilDiv(tokens, geometry.block_tokens);
}

int32_t PutTokens(int32_t prompt_tokens, const kv::KvGeometry& source,
                  const kv::KvGeometry& destination) {
  const int32_t unit = UnitTokens(source, destination);
  return CeilDiv(prompt_tokens, unit) * unit;
}

PushPlan::PushPlan(Options options)
    : options_(std::move(options)),
      unit_tokens_(UnitTokens(options_.source, options_.destination)),
      overlaps_(OverlapHeads(options_.source, options_.destination)),
      layers_(static_cast<size_t>(options_.source.layers)) {
  BATON_CHECK(static_cast<int32_t>(options_.blocks.size()) ==
              BlocksOf(options_.prompt_tokens, options_.destination));
  for (Layer& layer : layers_) layer.ready = layer.taken = options_.cached_tokens / unit_tokens_;
}

void PushPlan::SetSource(std::vector<BlockId> blocks) {
  BATON_CHECK(static_cast<int32_t>(blocks.size()) ==
              BlocksOf(options_.prompt_tokens, options_.source));
  source_blocks_ = std::move(blocks);
}

void PushPlan::Ready(int32_t layer_begin, int32_t layer_end, int32_t tokens) {
  BATON_CHECK(0 <= layer_begin && layer_begin <= layer_end && layer_end <= options_.source.layers);
  BATON_CHECK(0 <= tokens && tokens <= options_.prompt_tokens);
  for (int32_t i = layer_begin; i < layer_end; ++i) {
    Layer& layer = layers_[static_cast<size_t>(i)];
    layer.tokens = std::max(layer.tokens, tokens);
    // The last unit, full or not, is whole with the last token.
    const bool last = tokens == options_.prompt_tokens;
    layer.ready =
        std::max(layer.ready, last ? CeilDiv(tokens, unit_tokens_) : tokens / unit_tokens_);
  }
}

std::vector<Descriptor> PushPlan::Take() {
  // At the end of a chunk no run grows any more. Before it only the last chunk's layers go in
  // parts: nobody waits for those of the others, whose blocks make few large runs as a whole.
  const bool chunk_done = std::all_of(layers_.begin(), layers_.end(), [&](const Layer& layer) {
    return layer.tokens == layers_[0].tokens;
  });
  std::vector<Descriptor> out;
  for (size_t begin = 0; begin < layers_.size();) {
    const size_t end = RunEnd(begin);
    const int64_t piece = static_cast<int64_t>(end - begin) * options_.source.layer_bytes();
    const bool last_chunk = layers_[begin].tokens == options_.prompt_tokens;
    if (chunk_done || (last_chunk && piece >= options_.least_piece_bytes)) TakeRun(begin, end, out);
    begin = end;
  }
  return out;
}

std::vector<Descriptor> PushPlan::TakeRest() {
  for (Layer& layer : layers_) {
    layer.tokens = options_.prompt_tokens;
    layer.ready = CeilDiv(options_.prompt_tokens, unit_tokens_);
  }
  std::vector<Descriptor> out;
  for (size_t begin = 0; begin < layers_.size();) {
    const size_t end = RunEnd(begin);
    TakeRun(begin, end, out);
    begin = end;
  }
  return out;
}

size_t PushPlan::RunEnd(size_t begin) const {
  size_t end = begin + 1;
  while (end < layers_.size() && layers_[end].SameAs(layers_[begin])) ++end;
  return end;
}

void PushPlan::TakeRun(size_t begin, size_t end, std::vector<Descriptor>& out) {
  for (const HeadOverlap& overlap : overlaps_) {
    for (int32_t unit = layers_[begin].taken; unit < layers_[begin].ready; ++unit) {
      AppendUnit(overlap, unit, begin, end, out);
    }
  }
  for (size_t layer = begin; layer < end; ++layer) layers_[layer].taken = layers_[layer].ready;
}

/// The longer the runs that both sides have in common, the fewer descriptors: all layers where the
/// ranks' blocks are alike, else the heads of a plane where the blocks are, else one head.
void PushPlan::AppendUnit(const HeadOverlap& overlap, int32_t unit, size_t begin, size_t end,
                          std::vector<Descriptor>& out) const {
  const kv::KvGeometry& source = options_.source;
  const kv::KvGeometry& destination = options_.destination;
  const int32_t token = unit * unit_tokens_;
  const Descriptor at{.local_offset = TokenOffset(source, source_blocks_, token),
                      .remote_offset = TokenOffset(destination, options_.blocks, token),
                      .local_region = static_cast<uint32_t>(overlap.source_rank),
                      .remote_region = static_cast<uint32_t>(overlap.destination_rank)};
  const auto append = [&](size_t layer, int32_t plane, int32_t head, int64_t bytes) {
    Descriptor run = at;
    run.local_offset += HeadOffset(source, layer, plane, overlap.source_head + head);
    run.remote_offset += HeadOffset(destination, layer, plane, overlap.destination_head + head);
    run.bytes = static_cast<uint64_t>(bytes);
    AppendRun(out, run);
  };
  if (CoversBothRanks(overlap)) {
    return append(begin, 0, 0, static_cast<int64_t>(end - begin) * source.layer_bytes());
  }
  const bool same_blocks = source.block_tokens == destination.block_tokens;
  const int32_t heads_per_run = same_blocks ? overlap.heads : 1;
  for (size_t layer = begin; layer < end; ++layer) {
    for (int32_t plane = 0; plane < 2; ++plane) {
      for (int32_t head = 0; head < overlap.heads; head += heads_per_run) {
        append(layer, plane, head, heads_per_run * unit_tokens_ * source.row_bytes());
      }
    }
  }
}

bool PushPlan::CoversBothRanks(const HeadOverlap& overlap) const {
  return options_.source.block_tokens == options_.destination.block_tokens &&
         overlap.heads == options_.source.rank_kv_heads() &&
         overlap.heads == options_.destination.rank_kv_heads();
}

int32_t PushPlan::tokens_ready() const {
  int32_t tokens = options_.prompt_tokens;
  for (const Layer& layer : layers_) tokens = std::min(tokens, layer.tokens);
  return tokens;
}

int32_t PushPlan::blocks() const {
  return static_cast<int32_t>(options_.blocks.size()) -
         options_.cached_tokens / options_.destination.block_tokens;
}

}  // namespace baton::handoff
