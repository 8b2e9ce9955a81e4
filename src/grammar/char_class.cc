#include "char_class.h"

#include <algorithm>
#include <string>

#include "baton/text/utf8.h"

namespace baton::grammar {
namespace {

constexpr char32_t kLastChar = 0x10FFFF;
constexpr char32_t kFirstSurrogate = 0xD800, kLastSurrogate = 0xDFFF;
constexpr char32_t kLastBelow = kFirstSurrogate - 1, kFirstAbove = kLastSurrogate + 1;

/// REQUIRES: first and last are spelt with as many bytes.
void Split(char32_t first, char32_t last, std::vector<Utf8Sequence>& out) {
  for (int tail = 1; tail < 4; ++tail) {
    // All but the last `tail` bytes are to be the same, or the tails to be whole.
    const char32_t mask = (char32_t{1} << (6 * tail)) - 1;
    if ((first & ~mask) == (last & ~mask)) continue;
    if ((first & mask) != 0) {
      Split(first, first | mask, out);
      Split((first | mask) + 1, last, out);
      return;
    }
    if ((last & mask) != mask) {
      Split(first, (last & ~mask) - 1, out);
      Split(last & ~mask, last, out);
      return;
    }
  }
  std::string low, high;
  text::AppendUtf8(first, low);
  text::AppendUtf8(last, high);
  Utf8Sequence sequence;
  sequence.length = static_cast<int>(low.size());
  for (size_t i = 0; i < low.size(); ++i) {
    sequence.bytes[i] = {static_cast<uint8_t>(low[i]), static_cast<uint8_t>(high[i])};
  }
  out.push_back(sequence);
}

}  // namespace

CharClass::CharClass(std::initializer_list<Range> ranges) {
  for (const Range& range : ranges) Add(range.first, range.last);
}

CharClass CharClass::All() { return {{0, kLastChar}}; }

void CharClass::Add(char32_t first, char32_t last) {
  last = std::min(last, kLastChar);
  if (first < kFirstSurrogate) Insert({first, std::min(last, kLastBelow)});
  if (last > kLastSurrogate) Insert({std::max(first, kFirstAbove), last});
}

void CharClass::Add(const CharClass& other) {
  for (const Range& range : other.ranges_) Insert(range);
}

void CharClass::Insert(Range range) {
  if (range.first > range.last) return;
  // The ranges that overlap or touch the new one become one with it.
  const auto begin = std::partition_point(ranges_.begin(), ranges_.end(), [&](const Range& other) {
    return other.last + 1 < range.first;
  });
  auto end = begin;
  for (; end != ranges_.end() && end->first <= range.last + 1; ++end) {
    range = {std::min(range.first, end->first), std::max(range.last, end->last)};
  }
  if (begin == end) {
    ranges_.insert(begin, range);
  } else {
    *begin = range;
    ranges_.erase(begin + 1, end);
  }
}

CharClass CharClass::Complement() const {
  CharClass out;
  char32_t next = 0;
  for (const Range& range : ranges_) {
    if (range.first > next) out.Add(next, range.first - 1);
    next = range.last + 1;
  }
  if (next <= kLastChar) out.Add(next, kLastChar);
  return out;
}

CharClass CharClass::Minus(const CharClass& other) const {
  CharClass outside = Complement();
  outside.Add(other);
  return outside.Complement();
}

bool CharClass::Contains(char32_t c) const {
  return std::any_of(ranges_.begin(), ranges_.end(),
                     [&](const Range& range) { return range.first <= c && c <= range.last; });
}

std::vector<Utf8Sequence> Utf8SequencesOf(const CharClass& chars) {
  static constexpr char32_t kLasts[] = {0x7F, 0x7FF, 0xFFFF, kLastChar};
  std::vector<Utf8Sequence> out;
  for (CharClass::Range range : chars.ranges()) {
    for (const char32_t last : kLasts) {
      if (range.first > last) continue;
      Split(range.first, std::min(range.last, last), out);
      if (range.last <= last) break;
      range.first = last + 1;
    }
  }
  return out;
}

}  // namespace baton::grammar
