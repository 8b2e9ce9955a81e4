#pragma once

#include <cstdint>
#include <string>

#include "baton/base/clock.h"
#include "baton/base/status.h"

namespace baton {

inline constexpr int64_t kKiB = int64_t{1} << 10;
inline constexpr int64_t kMiB = int64_t{1} << 20;
inline constexpr int64_t kGiB = int64_t{1} << 30;

/// Parses "512MiB", "2GiB", "4096" (bytes), "1.5GB". Fails with InvalidArgument naming the units.
Result<int64_t> ParseBytes(const std::string& text);

/// "1.5 GiB", "640 B".
std::string FormatBytes(int64_t bytes);

/// "900 ms", "0.25 ms": with what is less than a millisecond only where it counts.
std::string FormatMs(Duration duration);
/// "0.25 s", "90 s".
std::string FormatSeconds(Duration duration);

template <typename T>
constexpr T CeilDiv(T a, T b) {
  return (a + b - 1) / b;
}

}  // namespace baton
