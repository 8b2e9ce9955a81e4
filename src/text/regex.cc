#define PCRE2_CODE_UNIT_WIDTH 8
#include "regex.h"

#include <pcre2.h>

#include "baton/base/check.h"
#include "baton/base/logging.h"
#include "baton/text/utf8.h"

namespace baton::text {
namespace {

/// Unicode's White_Space. PCRE2's own \s has U+180E besides.
constexpr char kSpaceClass[] =
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"
    "\\x{205f}\\x{3000}";

/// Writes \s and \S out, and refuses what PCRE2 would silently read otherwise.
Result<std::string> Translate(const std::string& pattern) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    const char next = i + 1 < pattern.size() ? pattern[i + 1] : '\0';
    if (c == '\\' && (next == 's' || next == 'S')) {
      if (next == 'S' && in_class) {
        out += "\\S";
      } else if (in_class) {
        out += kSpaceClass;
      } else {
        out += std::string(next == 's' ? "[" : "[^") + kSpaceClass + "]";
      }
      ++i;
    } else if (c == '\\' && (next == 'h' || next == 'H')) {
      return Unimplemented(std::string("pattern uses \\") + next);
    } else if (c == '\\') {
      out += c;
      if (next != '\0') out += next;
      ++i;
    } else if (in_class && c == '&' && next == '&') {
      return Unimplemented("pattern intersects character classes (&&)");
    } else if (in_class && c == '[' && next != ':') {
      return Unimplemented("pattern nests character classes");
    } else {
      if (c == '[') in_class = true;
      if (c == ']') in_class = false;
      out += c;
    }
  }
  return out;
}

const pcre2_code* Code(const std::shared_ptr<const void>& code) {
  return static_cast<const pcre2_code*>(code.get());
}

/// The next match at or after `start`: PCRE2's return code.
int MatchAt(const pcre2_code* code, std::string_view text, size_t start, pcre2_match_data* data) {
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  int rc = pcre2_match(code, subject, text.size(), start, PCRE2_NO_UTF_CHECK, data, nullptr);
  // The compiled code has a small fixed stack; the interpreter uses the heap.
  if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
    rc = pcre2_match(code, subject, text.size(), start, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data,
                     nullptr);
  }
  return rc;
}

}  // namespace

Result<Regex> Regex::Compile(const std::string& pattern) {
  BATON_ASSIGN_OR_RETURN(const std::string translated, Translate(pattern));
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (code == nullptr) {
    PCRE2_UCHAR message[256];
    pcre2_get_error_message(error, message, sizeof message);
    return InvalidArgument("pattern \"" + translated + "\" at offset " + std::to_string(offset) +
                           ": " + reinterpret_cast<const char*>(message));
  }
  // Without the just-in-time compiler matching is slower and no different.
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  return Regex(std::shared_ptr<const void>(code, [](const void* p) {
    pcre2_code_free(static_cast<pcre2_code*>(const_cast<void*>(p)));
  }));
}

void Regex::Spans(std::string_view text, std::vector<RegexSpan>& spans) const {
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
      pcre2_match_data_create_from_pattern(Code(code_), nullptr), &pcre2_match_data_free);
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data.get());
  size_t covered = 0;
  size_t start = 0;
  while (start <= text.size()) {
    const int rc = MatchAt(Code(code_), text, start, data.get());
    if (rc < 0) {
      if (rc != PCRE2_ERROR_NOMATCH) {
        BATON_LOG(Warning) << "pattern gave up, PCRE2 error " << rc;
      }
      break;
    }
    if (range[0] > covered) spans.push_back({covered, range[0], false});
    spans.push_back({range[0], range[1], true});
    covered = start = range[1];
    if (range[0] == range[1] && start < text.size()) start += NextUtf8(text.substr(start)).bytes;
    if (range[0] == range[1] && range[1] == text.size()) break;
  }
  if (covered < text.size()) spans.push_back({covered, text.size(), false});
}

}  // namespace baton::text
