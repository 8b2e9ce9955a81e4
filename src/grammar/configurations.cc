#include "configurations.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace baton::grammar {
namespace {

size_t Mix(size_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
  return hash ^ (hash >> 29);
}

}  // namespace

/// Follows what takes no byte, calls and returns, until only states that take bytes are left.
class Configurations::Closing {
 public:
  explicit Closing(Configurations& owner) : owner_(owner) {}

  void Add(Item item) { pending_.push_back(item); }

  /// The configuration of all that was added; kOverflow where it has too many stacks.
  int32_t Finish() {
    while (!pending_.empty()) {
      const Item item = pending_.back();
      pending_.pop_back();
      if (!Remember(item)) continue;
      if (seen_ > kMaxStacks) return kOverflow;
      Follow(item);
    }
    std::sort(items_.begin(), items_.end());
    return owner_.Intern(items_, seen_, may_end_);
  }

 private:
  /// False for an item seen before.
  bool Remember(Item item) {
    const uint64_t key = (static_cast<uint64_t>(static_cast<uint32_t>(item.state)) << 32) |
                         static_cast<uint32_t>(item.frame);
    if (seen_ < kFew) {
      const auto end = few_.begin() + static_cast<ptrdiff_t>(seen_);
      if (std::find(few_.begin(), end, key) != end) return false;
      few_[seen_++] = key;
      return true;
    }
    if (many_.empty()) many_.insert(few_.begin(), few_.end());
    if (!many_.insert(key).second) return false;
    ++seen_;
    return true;
  }

  void Follow(Item item) {
    const Automaton& automaton = owner_.automaton_;
    const Automaton::State& state = automaton.states[static_cast<size_t>(item.state)];
    if (state.first_edge != automaton.edges_end(item.state)) items_.push_back(item);
    for (uint32_t c = state.first_call; c < automaton.calls_end(item.state); ++c) {
      const Automaton::Call& call = automaton.calls[c];
      const int32_t frame =
          call.tail ? item.frame : owner_.FrameOf({call.loop, 0, call.target, item.frame});
      Add({automaton.starts[static_cast<size_t>(call.machine)], frame});
    }
    if (state.final) Return(item.frame);
  }

  void Return(int32_t to) {
    if (to == kBottom) {
      may_end_ = true;
      return;
    }
    const Frame frame = owner_.frame(to);
    if (frame.loop == Automaton::kNoLoop) {
      Add({frame.target, frame.below});
      return;
    }
    const Automaton::Loop& loop = owner_.automaton_.loops[static_cast<size_t>(frame.loop)];
    int32_t runs = frame.runs + 1;
    if (runs >= loop.min) Add({frame.target, frame.below});
    if (loop.max == kUnbounded) runs = std::min(runs, loop.min);
    if (loop.max != kUnbounded && runs >= loop.max) return;
    Add({owner_.automaton_.starts[static_cast<size_t>(loop.machine)],
         owner_.FrameOf({frame.loop, runs, frame.target, frame.below})});
  }

  static constexpr size_t kFew = 16;

  Configurations& owner_;
  std::vector<Item> pending_;
  std::vector<Item> items_;
  std::array<uint64_t, kFew> few_{};
  std::unordered_set<uint64_t> many_;
  uint32_t seen_ = 0;
  bool may_end_ = false;
};

Configurations::Configurations(const Automaton& automaton)
    : automaton_(automaton),
      classes_(automaton.byte_of_class.size()),
      frames_(1),
      known_entries_(16, EntryHash{this}, EntryEqual{this}),
      known_frames_(16, FrameHash{this}, FrameEqual{this}) {
  entries_.resize(2);
  cells_.resize(2 * classes_, {.next = kDead});
  known_entries_.insert(kDead);
}

int32_t Configurations::Start() {
  return Of({{automaton_.starts[static_cast<size_t>(automaton_.root)], kBottom}});
}

int32_t Configurations::Of(const std::vector<Item>& stacks) {
  Closing closing(*this);
  for (const Item& item : stacks) closing.Add(item);
  return closing.Finish();
}

int32_t Configurations::FindNext(int32_t configuration, uint8_t byte) {
  Closing closing(*this);
  for (const Item& item : items(configuration)) {
    const uint32_t end = automaton_.edges_end(item.state);
    for (uint32_t e = automaton_.states[static_cast<size_t>(item.state)].first_edge; e < end; ++e) {
      const Automaton::Edge& edge = automaton_.edges[e];
      if (edge.first <= byte && byte <= edge.last) closing.Add({edge.target, item.frame});
    }
  }
  const int32_t next = closing.Finish();
  cells_[static_cast<size_t>(configuration) * classes_ + automaton_.class_of[byte]].next = next;
  return next;
}

int32_t Configurations::FrameOf(const Frame& frame) {
  const int32_t id = static_cast<int32_t>(frames_.size());
  frames_.push_back(frame);
  const auto [known, added] = known_frames_.insert(id);
  if (!added) frames_.pop_back();
  return *known;
}

int32_t Configurations::Intern(std::span<const Item> items, uint32_t stacks, bool may_end) {
  const int32_t id = static_cast<int32_t>(entries_.size());
  const size_t first = items_.size();
  items_.insert(items_.end(), items.begin(), items.end());
  entries_.push_back({.first_item = static_cast<uint32_t>(first),
                      .items = static_cast<uint32_t>(items.size()),
                      .stacks = stacks,
                      .may_end = may_end});
  const auto [known, added] = known_entries_.insert(id);
  if (added) {
    cells_.resize(cells_.size() + classes_);
  } else {
    entries_.pop_back();
    items_.resize(first);
  }
  return *known;
}

int32_t Configurations::CopyTo(Configurations& other, int32_t configuration) const {
  std::unordered_map<int32_t, int32_t> copies = {{kBottom, kBottom}};
  std::vector<Item> moved_stacks;
  for (Item item : items(configuration)) {
    std::vector<int32_t> above;
    int32_t at = item.frame;
    for (; !copies.contains(at); at = frame(at).below) above.push_back(at);
    for (int32_t copy = copies[at]; !above.empty(); above.pop_back()) {
      Frame moved = frame(above.back());
      moved.below = copy;
      copy = copies[above.back()] = other.FrameOf(moved);
    }
    item.frame = copies[item.frame];
    moved_stacks.push_back(item);
  }
  std::sort(moved_stacks.begin(), moved_stacks.end());
  return other.Intern(moved_stacks, stacks(configuration), may_end(configuration));
}

size_t Configurations::EntryHash::operator()(int32_t configuration) const {
  size_t hash = owner->may_end(configuration) ? 1 : 2;
  for (const Item& item : owner->items(configuration)) {
    hash = Mix(Mix(hash, static_cast<uint32_t>(item.state)), static_cast<uint32_t>(item.frame));
  }
  return hash;
}

bool Configurations::EntryEqual::operator()(int32_t a, int32_t b) const {
  const std::span<const Item> left = owner->items(a), right = owner->items(b);
  return owner->may_end(a) == owner->may_end(b) && owner->stacks(a) == owner->stacks(b) &&
         std::equal(left.begin(), left.end(), right.begin(), right.end());
}

size_t Configurations::FrameHash::operator()(int32_t frame) const {
  const Frame& it = owner->frame(frame);
  size_t hash = Mix(static_cast<uint32_t>(it.loop), static_cast<uint32_t>(it.runs));
  return Mix(Mix(hash, static_cast<uint32_t>(it.target)), static_cast<uint32_t>(it.below));
}

size_t Configurations::MemoryBytes() const {
  // A set's node is its link, its number and, as the hash is not cached, no more than that.
  constexpr size_t kSetNode = 32;
  return items_.capacity() * sizeof(Item) + entries_.capacity() * (sizeof(Entry) + kSetNode) +
         cells_.capacity() * sizeof(Cell) + frames_.capacity() * (sizeof(Frame) + kSetNode);
}

}  // namespace baton::grammar
