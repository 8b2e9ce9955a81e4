#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_set>
#include <vector>

#include "automaton.h"

namespace baton::grammar {

/// The sets of stacks in which an automaton can be, each made and numbered when it is first
/// reached; stacks share what they have in common. So matching is a look-up per byte, and where two
/// sequences stand at the same place, they stand in the same configuration.
/// *Threads*: one at a time.
class Configurations {
 public:
  /// Where control returns to when a machine ends. Frame 0 is the bottom: its machine's end is the
  /// end of the text.
  struct Frame {
    int32_t loop = Automaton::kNoLoop;
    /// Complete runs of the loop; where it is unbounded, not counted beyond its minimum.
    int32_t runs = 0;
    int32_t target = 0;
    int32_t below = 0;
    bool operator==(const Frame&) const = default;
  };
  /// A stack: a state that takes bytes, on a frame.
  struct Item {
    int32_t state = 0;
    int32_t frame = 0;
    auto operator<=>(const Item&) const = default;
  };

  /// Configurations of no stacks, which no text leads out of: where no stack takes the byte, and
  /// where there would be too many.
  static constexpr int32_t kDead = 0;
  static constexpr int32_t kOverflow = 1;
  static constexpr int32_t kBottom = 0;
  /// Stacks of one configuration, those on the way to it included; what leads to more is not taken.
  static constexpr uint32_t kMaxStacks = 1000;

  /// *Ownership*: the automaton outlives this.
  explicit Configurations(const Automaton& automaton);

  static bool IsDead(int32_t configuration) { return configuration <= kOverflow; }

  int32_t Start();
  int32_t Next(int32_t configuration, uint8_t byte) {
    const size_t cell = static_cast<size_t>(configuration) * classes_ + automaton_.class_of[byte];
    const int32_t known = cells_[cell].next;
    return known >= 0 ? known : FindNext(configuration, byte);
  }

  std::span<const Item> items(int32_t configuration) const {
    const Entry& entry = entries_[static_cast<size_t>(configuration)];
    return std::span(items_).subspan(entry.first_item, entry.items);
  }
  /// Whether the text may end here.
  bool may_end(int32_t configuration) const {
    return entries_[static_cast<size_t>(configuration)].may_end;
  }
  /// All stacks met on the way here from the last byte on.
  uint32_t stacks(int32_t configuration) const {
    return entries_[static_cast<size_t>(configuration)].stacks;
  }
  const Frame& frame(int32_t frame) const { return frames_[static_cast<size_t>(frame)]; }
  int32_t FrameOf(const Frame& frame);

  /// Of one stack, with what it can do by taking a byte and nothing else.
  int32_t OfBytesOnly(Item item) { return Intern({&item, 1}, 1, false); }
  /// Of the stacks given, whose states need not take bytes themselves.
  int32_t Of(const std::vector<Item>& stacks);
  /// The same configuration in `other`, which is of the same automaton.
  int32_t CopyTo(Configurations& other, int32_t configuration) const;

  /// A walk is charged for what it takes to find each step, the first time that it goes there: the
  /// same whatever was found before.
  void BeginWalk() { ++walk_; }
  int64_t ChargeStep(int32_t configuration, uint8_t byte) {
    Cell& cell = cells_[static_cast<size_t>(configuration) * classes_ + automaton_.class_of[byte]];
    if (cell.walk == walk_) return 0;
    cell.walk = walk_;
    return 1 + stacks(configuration) + (cell.next == kOverflow ? kMaxStacks : stacks(cell.next));
  }

  size_t size() const { return entries_.size(); }
  size_t MemoryBytes() const;

 private:
  struct Entry {
    uint32_t first_item = 0;
    uint32_t items = 0;
    uint32_t stacks = 0;
    bool may_end = false;
  };
  struct Cell {
    /// -1 where not known yet.
    int32_t next = -1;
    /// The last walk that went here.
    uint32_t walk = 0;
  };
  struct EntryHash {
    const Configurations* owner;
    size_t operator()(int32_t configuration) const;
  };
  struct EntryEqual {
    const Configurations* owner;
    bool operator()(int32_t a, int32_t b) const;
  };
  struct FrameHash {
    const Configurations* owner;
    size_t operator()(int32_t frame) const;
  };
  struct FrameEqual {
    const Configurations* owner;
    bool operator()(int32_t a, int32_t b) const { return owner->frame(a) == owner->frame(b); }
  };
  class Closing;

  int32_t FindNext(int32_t configuration, uint8_t byte);
  /// REQUIRES: ascending items without duplicates.
  int32_t Intern(std::span<const Item> items, uint32_t stacks, bool may_end);

  const Automaton& automaton_;
  const size_t classes_;
  std::vector<Item> items_;
  std::vector<Entry> entries_;
  /// By configuration and class of byte.
  std::vector<Cell> cells_;
  std::vector<Frame> frames_;
  std::unordered_set<int32_t, EntryHash, EntryEqual> known_entries_;
  std::unordered_set<int32_t, FrameHash, FrameEqual> known_frames_;
  uint32_t walk_ = 0;
};

}  // namespace baton::grammar
