#pragma once

#include <cstddef>
#include <cstdint>

namespace baton::kernels::cpu {

/// Has memory fetched into the second-level cache, some lines at a time: a core waits for some two
/// dozen lines at once, and more of them in a row would hold up what is computed meanwhile. Each
/// instruction set inlines its own copy.
template <int kMostRuns>
class FetchAhead {
 public:
  static constexpr int64_t kAll = INT64_MAX;

  [[gnu::always_inline]] void Clear() { runs_ = next_ = 0; }
  /// REQUIRES: no more than kMostRuns since Clear().
  [[gnu::always_inline]] void Add(const std::byte* first, int64_t bytes) {
    begins_[runs_] = first;
    ends_[runs_++] = first + bytes;
  }
  /// The next lines, if there are any.
  [[gnu::always_inline]] void Fetch(int64_t lines) {
    while (next_ < runs_ && lines > 0) {
      const std::byte* line = begins_[next_];
      for (; line < ends_[next_] && lines > 0; line += kCacheLine, --lines) {
        __builtin_prefetch(line, 0, 2);
      }
      begins_[next_] = line;
      if (line >= ends_[next_]) ++next_;
    }
  }

 private:
  static constexpr int64_t kCacheLine = 64;

  const std::byte* begins_[kMostRuns];
  const std::byte* ends_[kMostRuns];
  int runs_ = 0;
  int next_ = 0;
};

}  // namespace baton::kernels::cpu
