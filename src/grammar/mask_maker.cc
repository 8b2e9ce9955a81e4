#include "mask_maker.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace baton::grammar {
namespace {

using Frame = Configurations::Frame;
using Item = Configurations::Item;

/// Of more stacks the whole is walked at once.
constexpr size_t kMaxTops = 16;
constexpr size_t kAnyDepth = std::numeric_limits<size_t>::max();

void SetBit(Mask& mask, TokenId token) {
  mask[static_cast<size_t>(token) / 32] |= uint32_t{1} << (static_cast<uint32_t>(token) % 32);
}

}  // namespace

std::shared_ptr<const Mask> MaskMaker::MaskOf(int32_t configuration) {
  const auto known = masks_.find(configuration);
  if (known != masks_.end()) return known->second;
  auto mask = std::make_shared<Mask>(vocabulary_.mask_words());
  if (!PutTogether(configuration, *mask)) {
    std::fill(mask->begin(), mask->end(), 0);
    WalkWhole(configuration, *mask);
  }
  if (places_.may_end(configuration)) {
    for (const TokenId end : vocabulary_.ends()) SetBit(*mask, end);
  }
  bytes_ += mask->size() * sizeof(uint32_t);
  masks_.emplace(configuration, mask);
  return mask;
}

/// A configuration takes what any of its stacks takes, as long as they are not too many together at
/// any byte. All or nothing, so that the order of the stacks, which depends on what was computed
/// before, changes nothing.
bool MaskMaker::PutTogether(int32_t configuration, Mask& mask) {
  const std::vector<Item> items(places_.items(configuration).begin(),
                                places_.items(configuration).end());
  if (items.size() > kMaxTops) return false;
  uint64_t stacks = 0;
  std::vector<std::pair<const LocalMask*, int32_t>> locals;
  for (const Item& item : items) {
    int32_t returns_to = 0;
    const LocalMask& local = LocalMaskOf(item, &returns_to);
    locals.emplace_back(&local, returns_to);
    stacks += local.stacks;
  }
  if (stacks > Configurations::kMaxStacks) return false;
  Walk walk;
  places_.BeginWalk();
  for (const auto& [local, returns_to] : locals) {
    for (size_t i = 0; i < local->words.size(); ++i) mask[i] |= local->words[i];
    for (const TokenId token : local->tokens) SetBit(mask, token);
    walk.stacks = 0;
    if (!AddAfterReturn(*local, returns_to, walk, mask)) return false;
    stacks += walk.stacks;
  }
  return stacks <= Configurations::kMaxStacks;
}

bool MaskMaker::AddAfterReturn(const LocalMask& local, int32_t returns_to, Walk& walk, Mask& mask) {
  if (local.returns.empty() || returns_to == Configurations::kBottom) return true;
  const Frame frame = places_.frame(returns_to);
  const int32_t after = places_.Of({{frame.target, frame.below}});
  walk.stacks =
      after == Configurations::kOverflow ? Configurations::kMaxStacks + 1 : places_.stacks(after);
  for (const uint32_t node : local.returns) {
    const auto set = [&](uint32_t reached, int32_t) { SetTokensAt(reached, mask); };
    if (!Visited(after, node, kAnyDepth, walk, set)) return false;
  }
  return true;
}

void MaskMaker::WalkWhole(int32_t configuration, Mask& mask) {
  for (const size_t depth : {kAnyDepth, size_t{1}}) {
    std::fill(mask.begin(), mask.end(), 0);
    // Where all tokens cost too much, those of one byte must do.
    Walk walk;
    if (depth == 1) walk.steps = std::numeric_limits<int64_t>::max();
    places_.BeginWalk();
    const auto set = [&](uint32_t reached, int32_t) { SetTokensAt(reached, mask); };
    if (Visited(configuration, 0, depth, walk, set)) return;
  }
}

void MaskMaker::SetTokensAt(uint32_t node, Mask& mask) const {
  const auto nodes = vocabulary_.nodes();
  for (uint32_t t = nodes[node].first_token; t < nodes[node + 1].first_token; ++t) {
    SetBit(mask, vocabulary_.tokens()[t]);
  }
}

const MaskMaker::LocalMask& MaskMaker::LocalMaskOf(Item item, int32_t* returns_to) {
  // A loop's count matters only where a token could reach one of its bounds.
  std::vector<int32_t> key = {item.state};
  std::vector<Frame> loops;
  int32_t at = item.frame;
  while (at != Configurations::kBottom && places_.frame(at).loop != Automaton::kNoLoop) {
    const Frame& frame = places_.frame(at);
    const Automaton::Loop& loop = automaton_.loops[static_cast<size_t>(frame.loop)];
    const int32_t far =
        static_cast<int32_t>(vocabulary_.longest_token_bytes()) / loop.bytes_per_run + 2;
    const int32_t to_min = std::clamp(loop.min - frame.runs, 0, far);
    const int32_t to_max = loop.max == kUnbounded ? far : std::min(loop.max - frame.runs, far);
    key.insert(key.end(), {frame.loop, frame.target, to_min, to_max});
    loops.push_back(frame);
    at = frame.below;
  }
  *returns_to = at;
  const auto known = locals_.find(key);
  if (known != locals_.end()) return known->second;
  Item local{item.state, Configurations::kBottom};
  for (; !loops.empty(); loops.pop_back()) {
    loops.back().below = local.frame;
    local.frame = places_.FrameOf(loops.back());
  }
  LocalMask made = MakeLocalMask(local);
  bytes_ += made.words.size() * sizeof(uint32_t) + made.tokens.capacity() * sizeof(TokenId) +
            made.returns.capacity() * sizeof(uint32_t) + key.size() * sizeof(int32_t) + 128;
  return locals_.emplace(std::move(key), std::move(made)).first->second;
}

MaskMaker::LocalMask MaskMaker::MakeLocalMask(Item local) {
  const auto nodes = vocabulary_.nodes();
  const auto all_tokens = vocabulary_.tokens();
  const int32_t start = places_.OfBytesOnly(local);
  LocalMask mask;
  Walk walk;
  places_.BeginWalk();
  const bool within = Visited(start, 0, kAnyDepth, walk, [&](uint32_t node, int32_t reached) {
    const uint32_t end = nodes[node + 1].first_token;
    for (uint32_t t = nodes[node].first_token; t < end; ++t) mask.tokens.push_back(all_tokens[t]);
    const bool has_children = nodes[node].subtree_end > node + 1;
    if (has_children && places_.may_end(reached)) mask.returns.push_back(node);
  });
  // What is too costly by itself is not put together with others.
  if (!within) return {.stacks = Configurations::kMaxStacks + 1};
  mask.stacks = walk.stacks;
  if (mask.tokens.size() > vocabulary_.mask_words()) {
    mask.words.resize(vocabulary_.mask_words());
    for (const TokenId token : mask.tokens) SetBit(mask.words, token);
    mask.tokens.clear();
  }
  mask.tokens.shrink_to_fit();
  mask.returns.shrink_to_fit();
  return mask;
}

template <typename Visit>
bool MaskMaker::Visited(int32_t configuration, uint32_t node, size_t depth, Walk& walk,
                        Visit visit) {
  const auto nodes = vocabulary_.nodes();
  const size_t base = nodes[node].depth;
  path_.resize(vocabulary_.longest_token_bytes() + 1);
  path_[0] = configuration;
  const uint32_t end = nodes[node].subtree_end;
  for (uint32_t at = node + 1; at < end;) {
    const Vocabulary::Node& child = nodes[at];
    const size_t level = child.depth - base;
    const int32_t next = places_.Next(path_[level - 1], child.byte);
    walk.steps -= places_.ChargeStep(path_[level - 1], child.byte);
    if (walk.steps < 0) return false;
    if (Configurations::IsDead(next)) {
      if (next == Configurations::kOverflow) walk.stacks = Configurations::kMaxStacks + 1;
      at = child.subtree_end;
      continue;
    }
    walk.stacks = std::max(walk.stacks, places_.stacks(next));
    path_[level] = next;
    visit(at, next);
    at = level < depth ? at + 1 : child.subtree_end;
  }
  return true;
}

}  // namespace baton::grammar
