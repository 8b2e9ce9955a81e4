#include "search.h"

#include <cstring>
#include <vector>

namespace baton::text::jinja {

/// Source: glibc's memmem is Crochemore and Perrin's two-way algorithm.
size_t Find(std::string_view text, std::string_view what, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (what.empty()) return from;
  const void* found = memmem(text.data() + from, text.size() - from, what.data(), what.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

/// Source: Knuth, Morris and Pratt, 1977, from the end.
size_t FindLast(std::string_view text, std::string_view what) {
  const size_t size = what.size();
  if (size > text.size()) return std::string_view::npos;
  if (size == 0) return text.size();
  const auto wanted = [&](size_t i) { return what[size - 1 - i]; };
  std::vector<size_t> border(size, 0);
  for (size_t i = 1, k = 0; i < size; ++i) {
    while (k > 0 && wanted(i) != wanted(k)) k = border[k - 1];
    if (wanted(i) == wanted(k)) ++k;
    border[i] = k;
  }
  for (size_t at = text.size(), k = 0; at > 0; --at) {
    while (k > 0 && text[at - 1] != wanted(k)) k = border[k - 1];
    if (text[at - 1] == wanted(k)) ++k;
    if (k == size) return at - 1;
  }
  return std::string_view::npos;
}

}  // namespace baton::text::jinja
