#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace baton::model {

/// What a recorded step of decodes fixes: rows, one for each sequence, and entries of a block
/// table.
struct ReplaySize {
  int32_t rows = 0;
  int32_t table_blocks = 0;

  uint64_t key() const {
    return static_cast<uint64_t>(rows) << 32 | static_cast<uint32_t>(table_blocks);
  }
  bool operator==(const ReplaySize&) const = default;
};

/// The sizes for which steps of decodes are recorded: 1, 2, 4, ... 32 rows, then twice as densely,
/// as a row too many costs most where there are many; tables for 512 positions, 2048, 8192, ..., as
/// a longer table costs little but its copy. *Threads*: immutable.
class ReplaySizes {
 public:
  /// Up to so many rows (0: there are no sizes) and blocks of so many tokens.
  ReplaySizes(int32_t most_rows, int32_t most_blocks, int32_t block_tokens);

  /// The least that takes so many rows with tables of so many blocks; none: they are too many rows.
  /// REQUIRES: at most most_blocks.
  std::optional<ReplaySize> For(int32_t rows, int32_t table_blocks) const;
  std::vector<ReplaySize> All() const;

 private:
  std::vector<int32_t> rows_;
  std::vector<int32_t> blocks_;
};

}  // namespace baton::model
