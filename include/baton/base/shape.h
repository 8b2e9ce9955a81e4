#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "baton/base/check.h"

namespace baton {

/// Up to four extents, outermost first.
class Shape {
 public:
  static constexpr size_t kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<int64_t> extents) {
    BATON_CHECK(extents.size() <= kMaxRank);
    for (int64_t extent : extents) extents_[rank_++] = extent;
  }

  size_t rank() const { return rank_; }
  int64_t operator[](size_t i) const { return extents_[i]; }
  int64_t elements() const {
    int64_t product = 1;
    for (size_t i = 0; i < rank_; ++i) product *= extents_[i];
    return product;
  }
  /// "[32, 128]".
  std::string ToString() const;

  bool operator==(const Shape&) const = default;

 private:
  std::array<int64_t, kMaxRank> extents_{};
  size_t rank_ = 0;
};

}  // namespace baton
