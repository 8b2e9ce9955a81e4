#include "baton/device/sm_split.h"

#include <algorithm>
#include <string>

namespace baton::device {

Result<SmSplit> PlanSmSplit(const SmSplitProblem& problem) {
  const auto [first, second] = problem.percent;
  if (first < 1 || second < 1 || first + second > 100) {
    return InvalidArgument("multiprocessors cannot be dealt as " + std::to_string(first) +
                           "% and " + std::to_string(second) + "%");
  }
  if (problem.groups < 2) {
    return InvalidArgument("its " + std::to_string(problem.multiprocessors) +
                           " multiprocessors cannot be dealt to two");
  }
  const auto nearest = [&](int32_t percent) {
    const int32_t hundredths = 100 * problem.group_size;
    return (percent * problem.multiprocessors + hundredths / 2) / hundredths;
  };
  SmSplit split;
  split.groups[0] = std::clamp(nearest(first), 1, problem.groups - 1);
  split.second_has_rest = first + second == 100;
  const int32_t left = problem.groups - split.groups[0];
  split.groups[1] = split.second_has_rest ? left : std::clamp(nearest(second), 1, left);
  return split;
}

}  // namespace baton::device
