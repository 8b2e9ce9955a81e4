#include "baton/base/units.h"

#include <array>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <utility>

namespace baton {
namespace {

constexpr std::array<std::pair<const char*, double>, 9> kUnits{{
    {"", 1.0},
    {"B", 1.0},
    {"KiB", 0x1.0p10},
    {"MiB", 0x1.0p20},
    {"GiB", 0x1.0p30},
    {"TiB", 0x1.0p40},
    {"KB", 1e3},
    {"MB", 1e6},
    {"GB", 1e9},
}};

}  // namespace

Result<int64_t> ParseBytes(const std::string& text) {
  const Status error = InvalidArgument("'" + text +
                                       "' is not a size; write a number and one of B, KiB, MiB, "
                                       "GiB, TiB, KB, MB, GB, e.g. 512MiB");
  if (text.empty() || !std::isdigit(static_cast<unsigned char>(text[0]))) return error;
  if (text.find_first_of("xX") != std::string::npos) return error;  // strtod takes 0x10.
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  while (*end == ' ') ++end;
  for (const auto& [name, factor] : kUnits) {
    if (std::string(end) != name) continue;
    const double bytes = number * factor;
    if (bytes >= static_cast<double>(std::numeric_limits<int64_t>::max())) return error;
    return static_cast<int64_t>(bytes);
  }
  return error;
}

std::string FormatBytes(int64_t bytes) {
  static constexpr const char* kNames[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, kNames[unit]);
  return text;
}

std::string FormatMs(Duration duration) {
  const double ms = 1000 * Seconds(duration);
  char text[32];
  std::snprintf(text, sizeof text, std::abs(ms) < 10 ? "%.3g ms" : "%.0f ms", ms);
  return text;
}

std::string FormatSeconds(Duration duration) {
  const double seconds = Seconds(duration);
  char text[32];
  std::snprintf(text, sizeof text, std::abs(seconds) < 100 ? "%.3g s" : "%.0f s", seconds);
  return text;
}

}  // namespace baton
