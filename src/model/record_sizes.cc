#include "record_sizes.h"

#include <algorithm>

namespace baton::model {

Status RecordSizesAndWait(const std::vector<RankRunner*>& ranks, const OnEachRank& on_each,
                          const StepRunner::OnRecorded& on_recorded) {
  const auto of = [&](int32_t rank) -> RankRunner& { return *ranks[static_cast<size_t>(rank)]; };
  const auto try_all = [&](int32_t size) {
    std::vector<Status> tried(ranks.size());
    on_each([&](int32_t rank) { tried[static_cast<size_t>(rank)] = of(rank).TryAndWait(size); });
    const auto failed =
        std::find_if(tried.begin(), tried.end(), [](const Status& status) { return !status.ok(); });
    return failed == tried.end() ? OkStatus() : *failed;
  };
  int32_t sizes = of(0).sizes();
  for (const RankRunner* rank : ranks) sizes = std::min(sizes, rank->sizes());
  for (int32_t size = 0; size < sizes; ++size) {
    // Kernels may be loaded and devices connected, which a recording has no place for.
    BATON_RETURN_IF_ERROR(try_all(size));
    std::vector<char> recorded(ranks.size());
    on_each([&](int32_t rank) { recorded[static_cast<size_t>(rank)] = of(rank).Record(size); });
    const bool all = std::find(recorded.begin(), recorded.end(), 0) == recorded.end();
    if (!all) on_each([&](int32_t rank) { of(rank).Forget(); });
    // A group of ranks may have ended with a recording that failed.
    BATON_RETURN_IF_ERROR(try_all(size));
    if (!all) return OkStatus();
    if (on_recorded) on_recorded(size + 1, sizes);
  }
  if (sizes > 0) on_each([&](int32_t rank) { of(rank).Repeat(); });
  return OkStatus();
}

}  // namespace baton::model
