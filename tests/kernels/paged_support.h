#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include "baton/ops/paged_kv.h"
#include "support.h"

namespace baton::kernels {

/// A pool of blocks with one layer, all NaN until written, that hands out blocks in random order.
class TestCache {
 public:
  TestCache(DType dtype, int32_t G, int32_t P, int32_t D, int32_t blocks, uint64_t seed)
      : free_(static_cast<size_t>(blocks)) {
    const int64_t half = int64_t{G} * P * ops::KvRowBytes(dtype, D);
    // NaN in every type; of int8 rows the scale is.
    bytes_.assign(static_cast<size_t>(2 * half * blocks), std::byte{0xFF});
    kv_ = {.base = bytes_.data(),
           .block_stride = 2 * half,
           .v_offset = half,
           .dtype = dtype,
           .G = G,
           .P = P,
           .D = D};
    std::iota(free_.begin(), free_.end(), 0);
    Random random(seed);
    for (size_t i = free_.size(); i > 1; --i) std::swap(free_[i - 1], free_[random.Below(i)]);
  }
  TestCache(const TestCache&) = delete;

  const ops::PagedKv& kv() const { return kv_; }
  const std::vector<std::byte>& bytes() const { return bytes_; }

  std::vector<int32_t> Take(int64_t tokens) {
    std::vector<int32_t> table;
    for (int64_t i = 0; i < tokens; i += kv_.P) {
      table.push_back(free_.back());
      free_.pop_back();
    }
    return table;
  }

 private:
  std::vector<std::byte> bytes_;
  ops::PagedKv kv_;
  std::vector<int32_t> free_;
};

/// One sequence of a step: its block table and how many of its tokens are new and in all.
struct TestSequence {
  std::vector<int32_t> table;
  int32_t new_tokens = 0;
  int32_t kv_tokens = 0;
};

/// The flattened form of sequences. The block tables end in block ids that no test may follow.
class TestBatch {
 public:
  explicit TestBatch(const std::vector<TestSequence>& sequences) {
    size_t stride = 0;
    for (const TestSequence& s : sequences) stride = std::max(stride, s.table.size());
    query_begin_.push_back(0);
    for (const TestSequence& s : sequences) {
      query_begin_.push_back(query_begin_.back() + s.new_tokens);
      kv_tokens_.push_back(s.kv_tokens);
      tables_.insert(tables_.end(), s.table.begin(), s.table.end());
      tables_.resize(kv_tokens_.size() * stride, 0x7FFFFFFF);
    }
    batch_ = {.query_begin = query_begin_.data(),
              .kv_tokens = kv_tokens_.data(),
              .block_tables = tables_.data(),
              .table_stride = static_cast<int64_t>(stride),
              .S = static_cast<int32_t>(sequences.size()),
              .T = query_begin_.back()};
  }
  TestBatch(const TestBatch&) = delete;

  const ops::PagedBatch& get() const { return batch_; }

 private:
  std::vector<int32_t> query_begin_;
  std::vector<int32_t> kv_tokens_;
  std::vector<int32_t> tables_;
  ops::PagedBatch batch_;
};

}  // namespace baton::kernels
