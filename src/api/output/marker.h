#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace baton::api {

/// The bytes at the end of `text` that may begin `marker`: the most, but less than all of it.
inline size_t BytesThatMayBegin(std::string_view marker, std::string_view text) {
  for (size_t bytes = std::min(text.size(), marker.size() - 1); bytes > 0; --bytes)
    if (text.ends_with(marker.substr(0, bytes))) return bytes;
  return 0;
}

}  // namespace baton::api
