#include "push_plan.h"

#include <algorithm>

#include "baton/base/check.h"
#include "baton/base/units.h"

namespace baton::handoff {
namespace {

void Append(std::vector<transport::Descriptor>& out, const transport::Descriptor& next) {
  if (!out.empty()) {
    transport::Descriptor& last = out.back();
    if (last.local_offset + last.bytes == next.local_offset &&
        last.remote_offset + last.bytes == next.remote_offset) {
      last.bytes += next.bytes;
      return;
    }
  }
  out.push_back(next);
}

}  // namespace

int32_t BlocksOf(int32_t tokens, const kv::KvGeometry& geometry) {
  return CeilDiv(tokens, geometry.block_tokens);
}

PushPlan::PushPlan(Options options)
    : geometry_(options.geometry),
      prompt_tokens_(options.prompt_tokens),
      first_block_(options.cached_tokens / options.geometry.block_tokens),
      least_piece_bytes_(options.least_piece_bytes),
      destination_(std::move(options.destination)),
      layers_(static_cast<size_t>(geometry_.layers)) {
  BATON_CHECK(static_cast<int32_t>(destination_.size()) == BlocksOf(prompt_tokens_, geometry_));
  for (Layer& layer : layers_) layer.ready = layer.taken = first_block_;
}

void PushPlan::SetSource(std::vector<BlockId> blocks) {
  BATON_CHECK(blocks.size() == destination_.size());
  source_ = std::move(blocks);
}

void PushPlan::Ready(int32_t layer_begin, int32_t layer_end, int32_t tokens) {
  BATON_CHECK(0 <= layer_begin && layer_begin <= layer_end && layer_end <= geometry_.layers);
  BATON_CHECK(0 <= tokens && tokens <= prompt_tokens_);
  for (int32_t i = layer_begin; i < layer_end; ++i) {
    Layer& layer = layers_[static_cast<size_t>(i)];
    layer.tokens = std::max(layer.tokens, tokens);
    layer.ready = std::max(layer.ready, tokens / geometry_.block_tokens);
  }
}

std::vector<transport::Descriptor> PushPlan::Take() {
  std::vector<transport::Descriptor> out;
  for (size_t begin = 0; begin < layers_.size();) {
    const size_t end = RunEnd(begin);
    const bool whole = end - begin == layers_.size();
    const int64_t piece = static_cast<int64_t>(end - begin) * geometry_.layer_bytes();
    if (whole || piece >= least_piece_bytes_) TakeRun(begin, end, out);
    begin = end;
  }
  return out;
}

std::vector<transport::Descriptor> PushPlan::TakeRest() {
  for (Layer& layer : layers_) {
    layer.tokens = prompt_tokens_;
    layer.ready = static_cast<int32_t>(destination_.size());
  }
  std::vector<transport::Descriptor> out;
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

void PushPlan::TakeRun(size_t begin, size_t end, std::vector<transport::Descriptor>& out) {
  const uint64_t block_bytes = static_cast<uint64_t>(geometry_.block_bytes());
  const uint64_t layer_bytes = static_cast<uint64_t>(geometry_.layer_bytes());
  const uint64_t within = begin * layer_bytes;
  const uint64_t bytes = (end - begin) * layer_bytes;
  for (int32_t i = layers_[begin].taken; i < layers_[begin].ready; ++i) {
    const auto block = static_cast<size_t>(i);
    Append(out, {static_cast<uint64_t>(Index(source_[block])) * block_bytes + within,
                 static_cast<uint64_t>(Index(destination_[block])) * block_bytes + within, bytes});
  }
  for (size_t layer = begin; layer < end; ++layer) layers_[layer].taken = layers_[layer].ready;
}

int32_t PushPlan::tokens_ready() const {
  int32_t tokens = prompt_tokens_;
  for (const Layer& layer : layers_) tokens = std::min(tokens, layer.tokens);
  return tokens;
}

std::vector<BlockId> PushPlan::SourceBlocks() const {
  return {source_.begin() + first_block_, source_.end()};
}

}  // namespace baton::handoff
