#include "string_methods.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <unordered_set>

#include "../unicode.h"
#include "baton/text/utf8.h"
#include "format.h"
#include "operators.h"
#include "search.h"
#include "text_forms.h"

namespace baton::text::jinja {

namespace {

/// Calls `change` with each character and whether the one before it has upper and lower case.
template <typename Change>
std::string MapWords(const std::string& text, const Change& change) {
  std::string out;
  bool after_cased = false;
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Step step = NextUtf8(rest);
    const std::string_view c = rest.substr(0, step.bytes);
    out += change(c, after_cased);
    after_cased = ToLower(c) != c || ToUpper(c) != c;
    rest.remove_prefix(step.bytes);
  }
  return out;
}

std::string First(const Arguments& arguments, const char* method) {
  if (arguments.positional.empty() || !arguments.positional[0].is_string()) {
    throw TemplateError(std::string(method) + "() needs a string");
  }
  return arguments.positional[0].string();
}

template <Side side>
Value StripMethod(Runtime&, const Value& self, const Arguments& arguments) {
  if (arguments.positional.empty() || arguments.positional[0].is_none()) {
    return Strip(self.string(), side);
  }
  const std::string characters = First(arguments, "strip");
  return Strip(self.string(), side, &characters);
}

/// Arguments `index` and the next as bounds of the characters looked at, and how many come before.
struct Window {
  std::string text;
  int64_t before = 0;
  /// Whether the start is beyond the end, where Python finds not even the empty text.
  bool beyond = false;
};

Window WindowOf(Runtime& runtime, const Value& self, const Arguments& arguments, size_t index) {
  const Value* start = arguments.Find(index, "");
  const Value* stop = arguments.Find(index + 1, "");
  if (start == nullptr) return {self.string(), 0};
  const int64_t length = Length(self);
  const auto bound = [&](const Value* value, int64_t otherwise) {
    if (value == nullptr || value->is_none()) return otherwise;
    if (!value->is_integral()) throw TemplateError("slice indices must be integers or None");
    const int64_t at = value->integer();
    return at < 0 ? std::max<int64_t>(at + length, 0) : at;
  };
  const int64_t begin = bound(start, 0);
  const int64_t end = std::min(bound(stop, length), length);
  if (begin > end) return {"", begin, true};
  return {GetSlice(runtime, self, Value(begin), Value(end), Value()).string(), begin};
}

/// startswith and endswith: the argument may be a tuple of strings.
template <bool at_start>
Value StartsOrEnds(Runtime& runtime, const Value& self, const Arguments& arguments) {
  if (arguments.positional.empty()) throw TemplateError("an argument is missing");
  const Value& what = arguments.positional[0];
  const bool several = what.is_list() && what.tuple();
  const Values choices = several ? what.items() : Values{what};
  const Window window = WindowOf(runtime, self, arguments, 1);
  return std::any_of(choices.begin(), choices.end(), [&](const Value& choice) {
    if (!choice.is_string()) {
      throw TemplateError("startswith and endswith need a string or a tuple of strings");
    }
    if (window.beyond) return false;
    return at_start ? window.text.starts_with(choice.string())
                    : window.text.ends_with(choice.string());
  });
}

template <std::string (*function)(std::string_view)>
Value CaseMethod(Runtime& runtime, const Value& self, const Arguments&) {
  runtime.Charge(self.string().size());
  return function(self.string());
}

template <std::string (*function)(const std::string&)>
Value WordMethod(Runtime& runtime, const Value& self, const Arguments&) {
  runtime.Charge(self.string().size() * 16);
  return function(self.string());
}

Value ReplaceMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  if (arguments.positional.size() < 2) throw TemplateError("replace expected at least 2 arguments");
  return Replace(runtime, self.string(), StringArgument(arguments, 0, "old", ""),
                 StringArgument(arguments, 1, "new", ""), IntArgument(arguments, 2, "count", -1));
}

bool IsBlank(char32_t c) { return IsSpace(c) || (c >= 0x1C && c <= 0x1F); }

/// Byte offsets where the words between white space begin and end.
std::vector<std::pair<size_t, size_t>> Words(std::string_view text) {
  std::vector<std::pair<size_t, size_t>> words;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const Utf8Step step = NextUtf8(text.substr(at));
    const bool blank = IsBlank(step.code_point);
    if (!blank && !inside) words.emplace_back(at, at);
    at += step.bytes;
    if (!blank) words.back().second = at;
    inside = !blank;
  }
  return words;
}

/// Splits at runs of white space, at most `limit` times where that is not negative.
Values SplitSpace(std::string_view text, int64_t limit, bool from_right) {
  std::vector<std::pair<size_t, size_t>> words = Words(text);
  const auto most = static_cast<size_t>(limit < 0 ? INT64_MAX : limit);
  if (words.size() > most) {
    // The rest stays together, with the white space of the far end.
    if (from_right) {
      const size_t merged = words.size() - most;
      words[merged - 1].first = 0;
      words.erase(words.begin(), words.begin() + static_cast<int64_t>(merged) - 1);
    } else {
      words[most].second = text.size();
      words.resize(most + 1);
    }
  }
  Values parts;
  for (const auto& [begin, end] : words) parts.emplace_back(text.substr(begin, end - begin));
  return parts;
}

Values SplitAt(const std::string& text, const std::string& separator, int64_t limit,
               bool from_right) {
  if (separator.empty()) throw TemplateError("empty separator");
  Values parts;
  std::string_view rest = text;
  for (; limit != 0; --limit) {
    const size_t at = from_right ? FindLast(rest, separator) : Find(rest, separator);
    if (at == std::string_view::npos) break;
    parts.emplace_back(from_right ? rest.substr(at + separator.size()) : rest.substr(0, at));
    rest = from_right ? rest.substr(0, at) : rest.substr(at + separator.size());
  }
  parts.emplace_back(rest);
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

template <bool from_right>
Value SplitMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  runtime.Charge(self.string().size() * 16);
  const int64_t limit = IntArgument(arguments, 1, "maxsplit", -1);
  const Value* separator = arguments.Find(0, "sep");
  if (separator == nullptr || separator->is_none()) {
    return Value::MakeList(SplitSpace(self.string(), limit, from_right));
  }
  return Value::MakeList(
      SplitAt(self.string(), StringArgument(arguments, 0, "sep", ""), limit, from_right));
}

Value SplitLines(Runtime& runtime, const Value& self, const Arguments& arguments) {
  runtime.Charge(self.string().size() * 16);
  const bool keep = BoolArgument(arguments, 0, "keepends", false);
  Values lines;
  std::string_view rest = self.string();
  while (!rest.empty()) {
    const size_t end = rest.find_first_of("\n\r");
    if (end == std::string_view::npos) break;
    const size_t bytes = rest.substr(end).starts_with("\r\n") ? 2 : 1;
    lines.emplace_back(rest.substr(0, keep ? end + bytes : end));
    rest.remove_prefix(end + bytes);
  }
  if (!rest.empty()) lines.emplace_back(rest);
  return Value::MakeList(std::move(lines));
}

template <bool from_right, bool required>
Value FindMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const std::string what = First(arguments, "find");
  runtime.Charge(self.string().size());
  const Window window = WindowOf(runtime, self, arguments, 1);
  const size_t at = window.beyond ? std::string::npos
                    : from_right  ? FindLast(window.text, what)
                                  : Find(window.text, what);
  if (at == std::string::npos && required) throw TemplateError("substring not found");
  if (at == std::string::npos) return -1;
  return window.before + Length(window.text.substr(0, at));
}

Value CountMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const std::string what = First(arguments, "count");
  const Window window = WindowOf(runtime, self, arguments, 1);
  if (window.beyond) return 0;
  if (what.empty()) return Length(Value(window.text)) + 1;
  runtime.Charge(self.string().size());
  int64_t count = 0;
  for (size_t at = Find(window.text, what); at != std::string::npos;
       at = Find(window.text, what, at + what.size())) {
    ++count;
  }
  return count;
}

Value JoinMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  if (arguments.positional.empty()) throw TemplateError("join() takes exactly one argument");
  std::string text;
  bool first = true;
  for (const Value& item : Iterate(runtime, arguments.positional[0])) {
    if (!item.is_string()) throw TemplateError("join() needs strings");
    if (!first) text += self.string();
    first = false;
    text += item.string();
    runtime.Charge(self.string().size() + item.string().size());
  }
  return text;
}

template <bool from_right>
Value PartitionMethod(Runtime&, const Value& self, const Arguments& arguments) {
  const std::string what = First(arguments, "partition");
  if (what.empty()) throw TemplateError("empty separator");
  const std::string& text = self.string();
  const size_t at = from_right ? FindLast(text, what) : Find(text, what);
  if (at == std::string::npos) {
    return from_right ? Value::MakeList({"", "", self}, true)
                      : Value::MakeList({self, "", ""}, true);
  }
  return Value::MakeList({text.substr(0, at), what, text.substr(at + what.size())}, true);
}

template <bool (*holds)(char32_t)>
Value AllMethod(Runtime& runtime, const Value& self, const Arguments&) {
  runtime.Charge(self.string().size());
  std::string_view rest = self.string();
  if (rest.empty()) return false;
  while (!rest.empty()) {
    const Utf8Step step = NextUtf8(rest);
    if (!holds(step.code_point)) return false;
    rest.remove_prefix(step.bytes);
  }
  return true;
}

bool IsAlphanumeric(char32_t c) { return IsLetter(c) || IsDecimal(c); }

template <bool upper>
Value IsCaseMethod(Runtime&, const Value& self, const Arguments&) {
  const std::string& text = self.string();
  return text == (upper ? ToUpper(text) : ToLower(text)) && ToUpper(text) != ToLower(text);
}

template <bool prefix>
Value RemoveMethod(Runtime&, const Value& self, const Arguments& arguments) {
  const std::string what = First(arguments, prefix ? "removeprefix" : "removesuffix");
  const std::string& text = self.string();
  if (prefix) return text.starts_with(what) ? text.substr(what.size()) : text;
  return text.ends_with(what) ? text.substr(0, text.size() - what.size()) : text;
}

enum class Padded { kLeft, kRight, kBoth };

template <Padded side>
Value JustMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const Value* given = arguments.Find(0, "width");
  if (given == nullptr || !given->is_integral())
    throw TemplateError("the width must be an integer");
  const int64_t width = given->integer();
  const int64_t pad = std::max<int64_t>(width, 0) - Length(self);
  const Value fill(StringArgument(arguments, 1, "fillchar", " "));
  if (Length(fill) != 1)
    throw TemplateError("The fill character must be exactly one character long");
  if (pad <= 0) return self;
  const int64_t left = side == Padded::kLeft    ? pad
                       : side == Padded::kRight ? 0
                                                : pad / 2 + (pad & width & 1);
  const auto padding = [&](int64_t count) {
    return Arithmetic(runtime, "*", fill, Value(count)).string();
  };
  return padding(left) + self.string() + padding(pad - left);
}

Value ZeroFill(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const int64_t pad = IntArgument(arguments, 0, "width", 0) - Length(self);
  const std::string& text = self.string();
  const size_t sign = text.starts_with('+') || text.starts_with('-') ? 1 : 0;
  const Value zeros = Arithmetic(runtime, "*", Value("0"), Value(pad));
  return text.substr(0, sign) + zeros.string() + text.substr(sign);
}

Value ExpandTabs(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const int64_t size = std::min<int64_t>(IntArgument(arguments, 0, "tabsize", 8), 1000);
  std::string out;
  int64_t column = 0;
  for (const Value& character : Iterate(runtime, self)) {
    const std::string& c = character.string();
    if (c == "\t") {
      const int64_t spaces = size > 0 ? size - column % size : 0;
      out.append(static_cast<size_t>(spaces), ' ');
      column += spaces;
      runtime.Charge(static_cast<size_t>(spaces));
    } else {
      out += c;
      column = c == "\n" || c == "\r" ? 0 : column + 1;
    }
  }
  runtime.Charge(out.size());
  return out;
}

Value SwapCase(Runtime& runtime, const Value& self, const Arguments&) {
  runtime.Charge(self.string().size());
  std::string out;
  for (const Value& character : Iterate(runtime, self)) {
    const std::string& c = character.string();
    out += c == ToLower(c) ? ToUpper(c) : ToLower(c);
  }
  return out;
}

Value IsTitle(Runtime& runtime, const Value& self, const Arguments&) {
  runtime.Charge(self.string().size());
  bool inside = false;
  bool any = false;
  for (const Value& character : Iterate(runtime, self)) {
    const std::string& c = character.string();
    const bool upper = c != ToLower(c);
    const bool cased = upper || c != ToUpper(c);
    if (cased && upper == inside) return false;
    any = any || cased;
    inside = cased;
  }
  return any;
}

Value IsIdentifier(Runtime& runtime, const Value& self, const Arguments&) {
  runtime.Charge(self.string().size());
  bool first = true;
  for (std::string_view rest = self.string(); !rest.empty(); first = false) {
    const Utf8Step step = NextUtf8(rest);
    if (first ? !(IsLetter(step.code_point) || step.code_point == '_') : !IsWord(step.code_point)) {
      return false;
    }
    rest.remove_prefix(step.bytes);
  }
  return !first;
}

bool IsAsciiCharacter(char32_t c) { return c < 0x80; }

template <bool (*holds)(char32_t)>
Value AllOrEmptyMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  return self.string().empty() ? Value(true) : AllMethod<holds>(runtime, self, arguments);
}

Value FormatMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  return FormatBraces(runtime, self.string(), arguments);
}

}  // namespace

std::string Strip(std::string_view text, Side side, const std::string* characters) {
  std::unordered_set<char32_t> stripped;
  if (characters != nullptr) {
    for (std::string_view rest = *characters; !rest.empty();) {
      const Utf8Step step = NextUtf8(rest);
      stripped.insert(step.code_point);
      rest.remove_prefix(step.bytes);
    }
  }
  const auto strips = [&](char32_t code_point) {
    return characters == nullptr ? IsBlank(code_point) : stripped.contains(code_point);
  };
  while (side != Side::kRight && !text.empty()) {
    const Utf8Step step = NextUtf8(text);
    if (!strips(step.code_point)) break;
    text.remove_prefix(step.bytes);
  }
  while (side != Side::kLeft && !text.empty()) {
    size_t begin = text.size() - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    if (!strips(NextUtf8(text.substr(begin)).code_point)) break;
    text.remove_suffix(text.size() - begin);
  }
  return std::string(text);
}

std::string Replace(Runtime& runtime, const std::string& text, const std::string& from,
                    const std::string& to, int64_t count) {
  std::string out;
  size_t at = 0;
  while (count != 0) {
    const size_t found = Find(text, from, at);
    if (found == std::string::npos || (from.empty() && found >= text.size())) break;
    out.append(text, at, found - at);
    out += to;
    at = found + from.size();
    if (from.empty()) {
      const size_t bytes = NextUtf8(std::string_view(text).substr(at)).bytes;
      out.append(text, at, bytes);
      at += bytes;
    }
    --count;
    runtime.Charge(to.size());
    runtime.Step();
  }
  if (from.empty() && count != 0) out += to;
  out.append(text, std::min(at, text.size()), std::string::npos);
  runtime.Charge(out.size());
  return out;
}

std::string Title(const std::string& text) {
  return MapWords(text,
                  [](std::string_view c, bool inside) { return inside ? ToLower(c) : ToTitle(c); });
}

std::string Capitalize(const std::string& text) {
  if (text.empty()) return text;
  const size_t bytes = NextUtf8(text).bytes;
  return ToTitle(text.substr(0, bytes)) + ToLower(text.substr(bytes));
}

const MethodTable& StringMethods() {
  static const MethodTable methods = {{"strip", StripMethod<Side::kBoth>},
                                      {"lstrip", StripMethod<Side::kLeft>},
                                      {"rstrip", StripMethod<Side::kRight>},
                                      {"startswith", StartsOrEnds<true>},
                                      {"endswith", StartsOrEnds<false>},
                                      {"upper", CaseMethod<ToUpper>},
                                      {"lower", CaseMethod<ToLower>},
                                      {"casefold", CaseMethod<FoldCase>},
                                      {"title", WordMethod<Title>},
                                      {"capitalize", WordMethod<Capitalize>},
                                      {"replace", ReplaceMethod},
                                      {"split", SplitMethod<false>},
                                      {"rsplit", SplitMethod<true>},
                                      {"splitlines", SplitLines},
                                      {"find", FindMethod<false, false>},
                                      {"rfind", FindMethod<true, false>},
                                      {"index", FindMethod<false, true>},
                                      {"rindex", FindMethod<true, true>},
                                      {"count", CountMethod},
                                      {"join", JoinMethod},
                                      {"partition", PartitionMethod<false>},
                                      {"rpartition", PartitionMethod<true>},
                                      {"isdigit", AllMethod<IsDecimal>},
                                      {"isdecimal", AllMethod<IsDecimal>},
                                      {"isnumeric", AllMethod<IsNumeric>},
                                      {"isalpha", AllMethod<IsLetter>},
                                      {"isalnum", AllMethod<IsAlphanumeric>},
                                      {"isspace", AllMethod<IsSpace>},
                                      {"isupper", IsCaseMethod<true>},
                                      {"islower", IsCaseMethod<false>},
                                      {"removeprefix", RemoveMethod<true>},
                                      {"removesuffix", RemoveMethod<false>},
                                      {"ljust", JustMethod<Padded::kRight>},
                                      {"rjust", JustMethod<Padded::kLeft>},
                                      {"center", JustMethod<Padded::kBoth>},
                                      {"zfill", ZeroFill},
                                      {"expandtabs", ExpandTabs},
                                      {"swapcase", SwapCase},
                                      {"istitle", IsTitle},
                                      {"isidentifier", IsIdentifier},
                                      {"isascii", AllOrEmptyMethod<IsAsciiCharacter>},
                                      {"isprintable", AllOrEmptyMethod<IsPrintable>},
                                      {"format", FormatMethod}};
  return methods;
}

}  // namespace baton::text::jinja
