#pragma once

#include <algorithm>
#include <vector>

#include "baton/collective/communicator.h"

namespace baton::collective {

/// What a rank does so that y on rank 0, of [rows, columns], becomes 0, 1, 2, ... row by row.
inline void GatherNumbers(Communicator& rank, device::Stream& stream, int64_t rows, int64_t columns,
                          std::vector<float>& y) {
  const int64_t begin = PartBegin(columns, rank.rank(), rank.ranks());
  const int64_t end = PartBegin(columns, rank.rank() + 1, rank.ranks());
  std::vector<float> x;
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t c = begin; c < end; ++c) x.push_back(static_cast<float>(t * columns + c));
  }
  const bool first = rank.rank() == 0;
  for (int64_t t = 0; first && t < rows; ++t) {
    std::copy_n(x.begin() + t * end, end, y.begin() + t * columns);
  }
  rank.Gather({.x = first ? nullptr : x.data(),
               .y = first ? y.data() : nullptr,
               .rows = rows,
               .columns = columns},
              stream);
}

}  // namespace baton::collective
