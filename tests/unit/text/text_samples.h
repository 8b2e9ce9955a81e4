#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "baton/base/random.h"
#include "baton/text/tokenizer.h"
#include "baton/text/utf8.h"

namespace baton::text {

inline std::filesystem::path TextData() {
  return std::string(BATON_SOURCE_DIR) + "/tests/data/text";
}
inline std::filesystem::path SharedData() {
  return std::string(BATON_SOURCE_DIR) + "/../shared/data";
}

/// A byte-level tokenizer with every kind of added token; see tests/data/text/make_goldens.py.
inline const Tokenizer& SmallTokenizer() {
  static const auto tokenizer = Tokenizer::Load(TextData() / "small-bpe");
  BATON_CHECK(tokenizer.ok()) << tokenizer.status();
  return **tokenizer;
}

/// Valid UTF-8 of any planes.
inline std::string RandomText(Random& random, size_t max_characters) {
  std::string text;
  for (size_t i = random.Below(max_characters + 1); i > 0; --i) {
    const uint64_t limits[] = {0x80, 0x80, 0x800, 0x10000, 0x110000};
    char32_t c = static_cast<char32_t>(random.Below(limits[random.Below(5)]));
    if (c >= 0xD800 && c < 0xE000) c = U' ';
    AppendUtf8(c, text);
  }
  return text;
}

inline std::string RandomBytes(Random& random, size_t max_bytes) {
  std::string bytes;
  for (size_t i = random.Below(max_bytes + 1); i > 0; --i) {
    bytes += static_cast<char>(random.Below(256));
  }
  return bytes;
}

}  // namespace baton::text
