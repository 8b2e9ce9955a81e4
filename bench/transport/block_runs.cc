#include "block_runs.h"

#include <algorithm>

namespace baton::bench {

std::vector<BlockId> BlocksInRuns(int32_t count, int32_t run) {
  if (run == 0) run = count;
  std::vector<BlockId> blocks;
  // Every second run from the second on, then those between.
  for (const int32_t start : {run, 0}) {
    for (int32_t first = start; first < count; first += 2 * run) {
      for (int32_t id = first; id < std::min(first + run, count); ++id) {
        blocks.push_back(BlockId{id});
      }
    }
  }
  return blocks;
}

}  // namespace baton::bench
