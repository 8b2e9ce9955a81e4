#include "unicode.h"

#include <algorithm>

#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>

#include "baton/base/check.h"

namespace baton::text {
namespace {

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

const icu::Normalizer2& NormalizerOf(NormalForm form) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = nullptr;
  switch (form) {
    case NormalForm::kNfc: normalizer = icu::Normalizer2::getNFCInstance(error); break;
    case NormalForm::kNfd: normalizer = icu::Normalizer2::getNFDInstance(error); break;
    case NormalForm::kNfkc: normalizer = icu::Normalizer2::getNFKCInstance(error); break;
    case NormalForm::kNfkd: normalizer = icu::Normalizer2::getNFKDInstance(error); break;
  }
  BATON_CHECK(U_SUCCESS(error)) << "ICU has no normalization data: " << u_errorName(error);
  return *normalizer;
}

/// Characters that tokenizers' normalization knows: it has the tables of Unicode 9, and what came
/// later stays as it is.
const icu::UnicodeSet& Normalized() {
  static const icu::UnicodeSet* const set = [] {
    UErrorCode error = U_ZERO_ERROR;
    auto* made = new icu::UnicodeSet(u"[:age=9.0:]", error);
    BATON_CHECK(U_SUCCESS(error)) << "ICU has no ages of characters: " << u_errorName(error);
    return static_cast<const icu::UnicodeSet*>(made->freeze());
  }();
  return *set;
}

icu::StringPiece Piece(std::string_view text) {
  return icu::StringPiece(text.data(), static_cast<int32_t>(text.size()));
}

}  // namespace

std::string Normalize(std::string_view text, NormalForm form) {
  if (IsAscii(text)) return std::string(text);
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode error = U_ZERO_ERROR;
  const icu::FilteredNormalizer2 normalizer(NormalizerOf(form), Normalized());
  normalizer.normalizeUTF8(0, Piece(text), sink, nullptr, error);
  BATON_CHECK(U_SUCCESS(error)) << u_errorName(error);
  return out;
}

bool IsSpace(char32_t code_point) { return u_isUWhiteSpace(static_cast<UChar32>(code_point)); }

bool IsWord(char32_t code_point) {
  const UChar32 c = static_cast<UChar32>(code_point);
  return u_hasBinaryProperty(c, UCHAR_ALPHABETIC) || u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL) ||
         (U_GET_GC_MASK(c) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0;
}

namespace {

bool HasCategory(char32_t code_point, uint32_t mask) {
  return (U_GET_GC_MASK(static_cast<UChar32>(code_point)) & mask) != 0;
}

}  // namespace

bool IsLetter(char32_t code_point) { return HasCategory(code_point, U_GC_L_MASK); }
bool IsDecimal(char32_t code_point) { return HasCategory(code_point, U_GC_ND_MASK); }
bool IsNumeric(char32_t code_point) { return HasCategory(code_point, U_GC_N_MASK); }

bool IsPrintable(char32_t code_point) {
  const UChar32 c = static_cast<UChar32>(code_point);
  return c == ' ' || (U_GET_GC_MASK(c) & (U_GC_C_MASK | U_GC_Z_MASK)) == 0;
}

std::string ToUpper(std::string_view text) {
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode error = U_ZERO_ERROR;
  icu::CaseMap::utf8ToUpper("", 0, Piece(text), sink, nullptr, error);
  BATON_CHECK(U_SUCCESS(error)) << u_errorName(error);
  return out;
}

std::string ToLower(std::string_view text) {
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode error = U_ZERO_ERROR;
  icu::CaseMap::utf8ToLower("", 0, Piece(text), sink, nullptr, error);
  BATON_CHECK(U_SUCCESS(error)) << u_errorName(error);
  return out;
}

std::string FoldCase(std::string_view text) {
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode error = U_ZERO_ERROR;
  icu::CaseMap::utf8Fold(0, Piece(text), sink, nullptr, error);
  BATON_CHECK(U_SUCCESS(error)) << u_errorName(error);
  return out;
}

std::string ToTitle(std::string_view character) {
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode error = U_ZERO_ERROR;
  icu::CaseMap::utf8ToTitle("", U_TITLECASE_NO_BREAK_ADJUSTMENT | U_TITLECASE_WHOLE_STRING, nullptr,
                            Piece(character), sink, nullptr, error);
  BATON_CHECK(U_SUCCESS(error)) << u_errorName(error);
  return out;
}

}  // namespace baton::text
