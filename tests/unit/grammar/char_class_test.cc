#include "char_class.h"

#include <gtest/gtest.h>

#include "baton/text/utf8.h"

namespace baton::grammar {
namespace {

bool Spells(const std::vector<Utf8Sequence>& sequences, std::string_view bytes) {
  for (const Utf8Sequence& sequence : sequences) {
    bool same = sequence.length == static_cast<int>(bytes.size());
    for (size_t i = 0; same && i < bytes.size(); ++i) {
      const uint8_t byte = static_cast<uint8_t>(bytes[i]);
      same = sequence.bytes[i].first <= byte && byte <= sequence.bytes[i].last;
    }
    if (same) return true;
  }
  return false;
}

TEST(CharClass, JoinsRangesThatTouch) {
  EXPECT_EQ(CharClass({{'d', 'f'}, {'a', 'c'}}), CharClass({{'a', 'f'}}));
  EXPECT_EQ(CharClass({{'a', 'c'}, {'e', 'g'}, {'b', 'f'}}).ranges().size(), 1u);
}

TEST(CharClass, HasNoSurrogates) {
  const CharClass all = CharClass::All();
  EXPECT_FALSE(all.Contains(0xD800));
  EXPECT_TRUE(all.Contains(0xE000));
  EXPECT_TRUE(all.Complement().empty());
}

TEST(CharClass, TakesOneClassFromAnother) {
  EXPECT_EQ(CharClass({{'a', 'z'}}).Minus({{'c', 'd'}}), CharClass({{'a', 'b'}, {'e', 'z'}}));
}

TEST(CharClass, IsSpeltByExactlyTheBytesOfItsCharacters) {
  const CharClass classes[] = {CharClass::All(),
                               {{0x7F, 0x801}},
                               {{0xFFF0, 0x10010}},
                               {{'a', 'c'}, {0xE9, 0xE9}, {0x1F600, 0x1F64F}}};
  for (const CharClass& chars : classes) {
    const auto sequences = Utf8SequencesOf(chars);
    for (char32_t c = 0; c <= 0x10FFFF; c += c < 0x900 || (c > 0xFF00 && c < 0x10100) ? 1 : 77) {
      if (c >= 0xD800 && c < 0xE000) continue;
      std::string bytes;
      text::AppendUtf8(c, bytes);
      ASSERT_EQ(Spells(sequences, bytes), chars.Contains(c)) << static_cast<uint32_t>(c);
    }
  }
}

}  // namespace
}  // namespace baton::grammar
