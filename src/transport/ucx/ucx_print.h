#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace baton::transport {

/// What `print(FILE*)` writes: UCX describes itself only in this way.
template <typename Print>
std::string Printed(Print print) {
  char* text = nullptr;
  size_t bytes = 0;
  FILE* out = open_memstream(&text, &bytes);
  if (out == nullptr) return {};
  print(out);
  std::fclose(out);
  std::string copy(text, bytes);
  std::free(text);
  return copy;
}

}  // namespace baton::transport
