#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace baton::grammar {

/// A set of characters: Unicode scalar values, so no surrogates.
class CharClass {
 public:
  /// Both ends belong to it.
  struct Range {
    char32_t first = 0;
    char32_t last = 0;
    bool operator==(const Range&) const = default;
  };

  CharClass() = default;
  CharClass(std::initializer_list<Range> ranges);
  static CharClass All();

  /// Surrogates within are left out.
  void Add(char32_t first, char32_t last);
  void Add(const CharClass& other);

  CharClass Complement() const;
  CharClass Minus(const CharClass& other) const;

  bool empty() const { return ranges_.empty(); }
  bool Contains(char32_t c) const;
  /// Ascending, disjoint, not touching.
  const std::vector<Range>& ranges() const { return ranges_; }
  bool operator==(const CharClass&) const = default;

 private:
  void Insert(Range range);
  std::vector<Range> ranges_;
};

/// The bytes of some characters: one range for each byte.
struct Utf8Sequence {
  struct Bytes {
    uint8_t first = 0;
    uint8_t last = 0;
  };
  std::array<Bytes, 4> bytes{};
  int length = 0;
};

/// Together the sequences spell exactly the characters of the class.
std::vector<Utf8Sequence> Utf8SequencesOf(const CharClass& chars);

}  // namespace baton::grammar
