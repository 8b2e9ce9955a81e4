#include "plan.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "baton/base/check.h"
#include "baton/base/units.h"

namespace baton::kernels::cuda::paged_attention {
namespace {

/// The most items of each kind that a batch within the shape can have.
struct Bounds {
  explicit Bounds(const ops::PlanShape& shape) {
    const int64_t group = shape.H / shape.G;
    const int64_t rows = shape.step_tokens * group;
    const int64_t sequences = std::min(shape.sequences, shape.step_tokens);
    const int64_t whole = (sequences + rows / kWideRows + sequences) * shape.G;
    items = whole + kMaxPartials;
    merges = std::min<int64_t>(whole, kMaxPartials / 2);
  }
  /// Of both kinds.
  int64_t items = 0;
  int64_t merges = 0;
};

/// Tiles that an item reads, which is what it costs.
int64_t Tiles(const Item& item) {
  const int64_t begin = int64_t{item.first_split} * kSplitPositions;
  const int64_t end =
      std::min<int64_t>(begin + int64_t{item.splits} * kSplitPositions, item.kv_tokens);
  return CeilDiv<int64_t>(end - begin, kTilePositions);
}

class Planner {
 public:
  Planner(const ops::PagedBatch& batch, const ops::PlanShape& shape, const PlanLimits& limits)
      : batch_(batch),
        limits_(limits),
        group_(shape.H / shape.G),
        kv_heads_(shape.G),
        all_narrow_(AllNarrow(batch, group_)) {}

  void AddAll() {
    for (int32_t s = 0; s < batch_.S; ++s) AddSequence(s);
    // The longest rows are worth their splits most.
    std::stable_sort(narrow_.begin(), narrow_.end(), Longer);
    std::vector<Item> items;
    for (const Item& item : narrow_) AddParts(item, item.splits, items);
    narrow_ = std::move(items);
    std::stable_sort(narrow_.begin(), narrow_.end(), Longer);
    SplitWide();
    std::stable_sort(wide_.begin(), wide_.end(), Longer);
  }

  void Write(const Bounds& bounds, std::byte* out) const {
    BATON_CHECK(static_cast<int64_t>(narrow_.size() + wide_.size()) <= bounds.items &&
                static_cast<int64_t>(merges_.size()) <= bounds.merges)
        << "the batch is larger than the shape of its plan";
    Header header{.narrow_items = static_cast<int32_t>(narrow_.size()),
                  .wide_items = static_cast<int32_t>(wide_.size()),
                  .merges = static_cast<int32_t>(merges_.size()),
                  .partials = partials_};
    size_t at = sizeof header;
    header.narrow_at = Append(narrow_, out, at);
    header.wide_at = Append(wide_, out, at);
    header.merges_at = Append(merges_, out, at);
    std::memcpy(out, &header, sizeof header);
  }

 private:
  static bool Longer(const Item& a, const Item& b) { return Tiles(a) > Tiles(b); }

  template <class T>
  static int32_t Append(const std::vector<T>& list, std::byte* out, size_t& at) {
    const size_t begin = at;
    if (!list.empty()) std::memcpy(out + begin, list.data(), list.size() * sizeof(T));
    at += list.size() * sizeof(T);
    return static_cast<int32_t>(begin);
  }

  void AddSequence(int32_t s) {
    const int32_t begin = batch_.query_begin[s];
    const int32_t tokens = batch_.query_begin[s + 1] - begin;
    if (tokens > limits_.most_tokens) return;
    const int32_t rows = tokens * group_;
    const bool narrow = all_narrow_ || rows <= kWarpRows;
    const int32_t most = narrow ? kWarpRows : kWideRows;
    const int32_t position = batch_.kv_tokens[s] - tokens;
    for (int32_t g = 0; g < kv_heads_; ++g) {
      for (int32_t first = 0; first < rows; first += most) {
        const int32_t count = std::min(rows - first, most);
        // Later rows' positions are nobody's of these.
        const int32_t kv_tokens = position + (first + count - 1) / group_ + 1;
        (narrow ? narrow_ : wide_)
            .push_back({.sequence = s,
                        .kv_head = g,
                        .step_row = begin,
                        .position = position,
                        .kv_tokens = kv_tokens,
                        .first = first,
                        .rows = count,
                        .splits = CeilDiv(kv_tokens, kSplitPositions)});
      }
    }
  }

  /// Chunks too short for all multiprocessors, over a context that is not: each item gets as many
  /// parts as there are partials left for all of them. Where those are fewer than its splits, its
  /// first part is longer.
  void SplitWide() {
    if (static_cast<int32_t>(wide_.size()) >= limits_.wide_blocks) return;
    int32_t rows = 0;
    int32_t count = 0;
    for (const Item& item : wide_) {
      if (item.splits == 1) continue;
      rows += item.rows;
      ++count;
    }
    if (count == 0) return;
    const int32_t parts =
        std::min((limits_.partial_rows - partial_rows_) / rows, (kMaxPartials - partials_) / count);
    std::vector<Item> items;
    for (const Item& item : wide_) AddParts(item, std::min(parts, item.splits), items);
    wide_ = std::move(items);
  }

  /// The item as so many, of which all but the first have one split each; as it is where that makes
  /// no two, or more than there are partials left.
  void AddParts(const Item& item, int32_t parts, std::vector<Item>& items) {
    const int32_t rows = parts * item.rows;
    if (parts <= 1 || partials_ + parts > kMaxPartials ||
        partial_rows_ + rows > limits_.partial_rows) {
      items.push_back(item);
      return;
    }
    merges_.push_back({.kv_head = item.kv_head,
                       .step_row = item.step_row,
                       .first = item.first,
                       .rows = item.rows,
                       .partial = partial_rows_,
                       .parts = parts});
    Item part = item;
    part.splits = item.splits - (parts - 1);
    for (int32_t i = 0; i < parts; ++i) {
      part.partial = partial_rows_ + i * item.rows;
      items.push_back(part);
      part.first_split += part.splits;
      part.splits = 1;
    }
    partials_ += parts;
    partial_rows_ += rows;
  }

  const ops::PagedBatch& batch_;
  const PlanLimits limits_;
  const int32_t group_;
  const int32_t kv_heads_;
  const bool all_narrow_;
  std::vector<Item> narrow_;
  std::vector<Item> wide_;
  std::vector<Merge> merges_;
  int32_t partials_ = 0;
  int32_t partial_rows_ = 0;
};

}  // namespace

size_t PlanBytes(const ops::PlanShape& shape) {
  const Bounds bounds(shape);
  return sizeof(Header) + static_cast<size_t>(bounds.items) * sizeof(Item) +
         static_cast<size_t>(bounds.merges) * sizeof(Merge);
}

void WritePlan(const ops::PagedBatch& batch, const ops::PlanShape& shape, const PlanLimits& limits,
               std::byte* out) {
  Planner planner(batch, shape, limits);
  planner.AddAll();
  planner.Write(Bounds(shape), out);
}

size_t ScratchBytes(const ops::PlanShape& shape) {
  // A row has a part for each of its splits at most.
  const int64_t splits = CeilDiv<int64_t>(shape.context_tokens, kSplitPositions);
  const int64_t rows =
      std::min<int64_t>(kMaxPartialRows, int64_t{shape.step_tokens} * shape.H * splits);
  return static_cast<size_t>(rows * PartialFloats(shape.D)) * sizeof(float);
}

}  // namespace baton::kernels::cuda::paged_attention
