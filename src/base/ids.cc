#include "baton/base/ids.h"

#include <charconv>
#include <cstdio>

#include "baton/base/random.h"

namespace baton {

std::string Epoch::ToString() const {
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(high),
                static_cast<unsigned long long>(low));
  return text;
}

Result<Epoch> Epoch::Parse(const std::string& text) {
  Epoch epoch;
  const char* middle = text.data() + 16;
  const char* end = text.data() + text.size();
  if (text.size() != 32 || std::from_chars(text.data(), middle, epoch.high, 16).ptr != middle ||
      std::from_chars(middle, end, epoch.low, 16).ptr != end) {
    return InvalidArgument("an epoch is 32 hexadecimal digits, got '" + text + "'");
  }
  return epoch;
}

Epoch Epoch::Random() { return {.high = RandomSeed(), .low = RandomSeed()}; }

}  // namespace baton
