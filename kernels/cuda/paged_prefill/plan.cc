#include "paged_prefill/plan.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <vector>

#include "baton/base/check.h"

namespace baton::kernels::cuda::paged_prefill {
namespace {

/// Loading queries and storing the result, in tiles of keys.
constexpr int32_t kItemCost = 1;

/// In tiles of keys. A window makes an item cheaper, in some layers only: that is left out.
int32_t Cost(const Item& item, int32_t D) {
  return (item.position + item.tokens + TileKeys(D) - 1) / TileKeys(D) + kItemCost;
}

std::vector<Item> ItemsOf(const ops::PagedBatch& batch, const ops::PlanShape& shape,
                          int32_t min_tokens) {
  const int32_t tile = TileTokens(shape.H / shape.G);
  std::vector<Item> items;
  for (int32_t s = 0; s < batch.S; ++s) {
    const int32_t begin = batch.query_begin[s];
    const int32_t tokens = batch.query_begin[s + 1] - begin;
    if (tokens < min_tokens) continue;
    const int32_t position = batch.kv_tokens[s] - tokens;
    for (int32_t first = 0; first < tokens; first += tile) {
      for (int32_t g = 0; g < shape.G; ++g) {
        items.push_back({.sequence = s,
                         .kv_head = g,
                         .row = begin + first,
                         .position = position + first,
                         .tokens = std::min(tile, tokens - first)});
      }
    }
  }
  return items;
}

/// The worker of each item, in order: who has the least, the first of equals.
std::vector<int32_t> Assign(const std::vector<Item>& items, int32_t D, int32_t workers) {
  using Load = std::pair<int64_t, int32_t>;
  std::priority_queue<Load, std::vector<Load>, std::greater<>> loads;
  for (int32_t w = 0; w < workers; ++w) loads.push({0, w});
  std::vector<int32_t> worker_of;
  for (const Item& item : items) {
    const auto [load, worker] = loads.top();
    loads.pop();
    loads.push({load + Cost(item, D), worker});
    worker_of.push_back(worker);
  }
  return worker_of;
}

size_t ItemsAt(const PlanOptions& options) {
  return options.items_at == 0 ? HeadBytes(options.workers) : static_cast<size_t>(options.items_at);
}

}  // namespace

size_t PlanBytes(const ops::PlanShape& shape, const PlanOptions& options) {
  const int32_t tile = TileTokens(shape.H / shape.G);
  const int64_t tiles =
      shape.step_tokens / tile + std::min(shape.sequences, shape.step_tokens / options.min_tokens);
  return ItemsAt(options) + static_cast<size_t>(tiles * shape.G) * sizeof(Item);
}

void WritePlan(const ops::PagedBatch& batch, const ops::PlanShape& shape,
               const PlanOptions& options, std::byte* out) {
  BATON_CHECK(batch.T <= shape.step_tokens && batch.S <= shape.sequences);
  BATON_CHECK(ItemsAt(options) >= HeadBytes(options.workers) && options.busy <= options.workers);
  std::vector<Item> items = ItemsOf(batch, shape, options.min_tokens);
  std::stable_sort(items.begin(), items.end(), [&](const Item& a, const Item& b) {
    return Cost(a, shape.D) > Cost(b, shape.D);
  });
  const int32_t busy = options.busy == 0 ? options.workers : options.busy;
  const std::vector<int32_t> worker_of = Assign(items, shape.D, busy);
  auto* begin = reinterpret_cast<int32_t*>(out);
  std::fill_n(begin, options.workers + 1, 0);
  for (const int32_t worker : worker_of) ++begin[worker + 1];
  for (int32_t w = 0; w < options.workers; ++w) begin[w + 1] += begin[w];
  begin[options.workers + 1] = static_cast<int32_t>(ItemsAt(options));
  auto* planned = reinterpret_cast<Item*>(out + ItemsAt(options));
  std::vector<int32_t> next(begin, begin + options.workers);
  for (size_t i = 0; i < items.size(); ++i) planned[next[worker_of[i]]++] = items[i];
}

}  // namespace baton::kernels::cuda::paged_prefill
