#include "replay_sizes.h"

#include <algorithm>

#include "baton/base/units.h"

namespace baton::model {
namespace {

constexpr int32_t kDenseFrom = 32;
constexpr int32_t kLeastPositions = 512;
constexpr int32_t kPositionsFactor = 4;

}  // namespace

ReplaySizes::ReplaySizes(int32_t most_rows, int32_t most_blocks, int32_t block_tokens) {
  for (int64_t rows = 1; rows < most_rows; rows *= 2) {
    rows_.push_back(static_cast<int32_t>(rows));
    if (rows >= kDenseFrom && rows * 3 / 2 < most_rows) {
      rows_.push_back(static_cast<int32_t>(rows * 3 / 2));
    }
  }
  if (most_rows > 0) rows_.push_back(most_rows);
  for (int64_t positions = kLeastPositions;; positions *= kPositionsFactor) {
    const int64_t blocks = CeilDiv<int64_t>(positions, block_tokens);
    if (blocks >= most_blocks) break;
    blocks_.push_back(static_cast<int32_t>(blocks));
  }
  blocks_.push_back(most_blocks);
}

std::optional<ReplaySize> ReplaySizes::For(int32_t rows, int32_t table_blocks) const {
  const auto row = std::lower_bound(rows_.begin(), rows_.end(), rows);
  const auto block = std::lower_bound(blocks_.begin(), blocks_.end(), table_blocks);
  if (row == rows_.end() || block == blocks_.end()) return std::nullopt;
  return ReplaySize{.rows = *row, .table_blocks = *block};
}

std::vector<ReplaySize> ReplaySizes::All() const {
  std::vector<ReplaySize> sizes;
  for (const int32_t blocks : blocks_) {
    for (const int32_t rows : rows_) sizes.push_back({.rows = rows, .table_blocks = blocks});
  }
  return sizes;
}

}  // namespace baton::model
