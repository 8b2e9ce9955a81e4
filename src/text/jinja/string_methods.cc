#include "string_methods.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>

#include "../unicode.h"
#include "baton/text/utf8.h"
#include "operators.h"
#include "text_forms.h"

namespace baton::text::jinja {

namespace {

/// Calls `change` with each character and whether the one before it was a letter.
template <typename Change>
std::string MapWords(const std::string& text, const Change& change) {
  std::string out;
  bool after_letter = false;
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Step step = NextUtf8(rest);
    out += change(rest.substr(0, step.bytes), after_letter);
    after_letter = IsLetter(step.code_point);
    rest.remove_prefix(step.bytes);
  }
  return out;
}

/// snprintf with a format that the caller has checked.
template <typename Number>
std::string Print(const std::string& format, Number number) {
  char buffer[512];
  const int bytes = std::snprintf(buffer, sizeof buffer, format.c_str(), number);
  if (bytes < 0 || static_cast<size_t>(bytes) >= sizeof buffer) {
    throw TemplateError("the number is too wide");
  }
  return std::string(buffer, static_cast<size_t>(bytes));
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

/// startswith and endswith: the argument may be a tuple of strings.
template <bool at_start>
Value StartsOrEnds(Runtime&, const Value& self, const Arguments& arguments) {
  if (arguments.positional.empty()) throw TemplateError("an argument is missing");
  const Value& what = arguments.positional[0];
  const Values choices = what.is_list() ? what.items() : Values{what};
  return std::any_of(choices.begin(), choices.end(), [&](const Value& choice) {
    if (!choice.is_string()) {
      throw TemplateError("startswith and endswith need a string or a tuple of strings");
    }
    return at_start ? self.string().starts_with(choice.string())
                    : self.string().ends_with(choice.string());
  });
}

template <std::string (*function)(std::string_view)>
Value CaseMethod(Runtime& runtime, const Value& self, const Arguments&) {
  runtime.Charge(self.string().size());
  return function(self.string());
}

template <std::string (*function)(const std::string&)>
Value WordMethod(Runtime& runtime, const Value& self, const Arguments&) {
  runtime.Charge(self.string().size());
  return function(self.string());
}

Value ReplaceMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  if (arguments.positional.size() < 2) throw TemplateError("replace expected at least 2 arguments");
  return Replace(runtime, self.string(), StringArgument(arguments, 0, "old", ""),
                 StringArgument(arguments, 1, "new", ""), IntArgument(arguments, 2, "count", -1));
}

/// Splits at runs of white space, from the left or the right.
Values SplitSpace(std::string_view text, int64_t limit, bool from_right) {
  Values parts;
  const Side trim = from_right ? Side::kRight : Side::kLeft;
  std::string rest = Strip(text, trim);
  while (!rest.empty()) {
    if (limit-- == 0) {
      parts.emplace_back(Strip(rest, from_right ? Side::kRight : Side::kLeft));
      break;
    }
    size_t begin = 0;
    size_t end = rest.size();
    for (size_t at = 0; at < rest.size();) {
      const Utf8Step step = NextUtf8(std::string_view(rest).substr(at));
      if (IsSpace(step.code_point)) {
        if (from_right) {
          begin = at + step.bytes;
        } else {
          end = at;
          break;
        }
      }
      at += step.bytes;
    }
    parts.emplace_back(rest.substr(begin, end - begin));
    rest = from_right ? Strip(rest.substr(0, begin), Side::kRight)
                      : Strip(rest.substr(end), Side::kLeft);
  }
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

Values SplitAt(const std::string& text, const std::string& separator, int64_t limit,
               bool from_right) {
  if (separator.empty()) throw TemplateError("empty separator");
  Values parts;
  std::string_view rest = text;
  for (; limit != 0; --limit) {
    const size_t at = from_right ? rest.rfind(separator) : rest.find(separator);
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
  const size_t at = from_right ? self.string().rfind(what) : self.string().find(what);
  if (at == std::string::npos && required) throw TemplateError("substring not found");
  return at == std::string::npos ? Value(-1) : Value(Length(self.string().substr(0, at)));
}

Value CountMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const std::string what = First(arguments, "count");
  if (what.empty()) return Length(self) + 1;
  runtime.Charge(self.string().size());
  int64_t count = 0;
  for (size_t at = self.string().find(what); at != std::string::npos;
       at = self.string().find(what, at + what.size())) {
    ++count;
  }
  return count;
}

Value JoinMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  if (arguments.positional.empty()) throw TemplateError("join() takes exactly one argument");
  std::string text;
  bool first = true;
  for (const Value& item : Iterate(arguments.positional[0])) {
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
  const size_t at = from_right ? text.rfind(what) : text.find(what);
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

/// How much of the padding goes to the left: all for rjust, none for ljust.
template <bool left>
Value JustMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  const int64_t pad = IntArgument(arguments, 0, "width", 0) - Length(self);
  if (pad <= 0) return self;
  const Value fill(StringArgument(arguments, 1, "fillchar", " "));
  const Value padding = Arithmetic(runtime, "*", fill, Value(pad));
  return left ? padding.string() + self.string() : self.string() + padding.string();
}

/// {} {0} {name} and doubled braces; format specifications are refused.
Value FormatMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  std::string out;
  size_t next = 0;
  const std::string& text = self.string();
  for (size_t i = 0; i < text.size(); ++i) {
    const bool doubled = i + 1 < text.size() && text[i + 1] == text[i];
    if ((text[i] == '{' || text[i] == '}') && doubled) {
      out += text[i++];
      continue;
    }
    if (text[i] != '{') {
      out += text[i];
      continue;
    }
    const size_t end = text.find('}', i);
    if (end == std::string::npos) throw TemplateError("expected '}' before end of string");
    const std::string field = text.substr(i + 1, end - i - 1);
    const bool number = field.size() < 5 && std::all_of(field.begin(), field.end(), [](char c) {
                          return c >= '0' && c <= '9';
                        });
    const size_t index = field.empty() ? next++ : number ? std::stoul(field) : SIZE_MAX;
    const Value* value = arguments.Find(index, field);
    if (value == nullptr) throw TemplateError("format(): no argument for '{" + field + "}'");
    out += Str(*value);
    runtime.Charge(out.size());
    i = end;
  }
  return out;
}

}  // namespace

std::string Strip(std::string_view text, Side side, const std::string* characters) {
  const auto strips = [&](std::string_view character, char32_t code_point) {
    return characters == nullptr ? IsSpace(code_point) || (code_point >= 0x1C && code_point <= 0x1F)
                                 : characters->find(character) != std::string::npos;
  };
  while (side != Side::kRight && !text.empty()) {
    const Utf8Step step = NextUtf8(text);
    if (!strips(text.substr(0, step.bytes), step.code_point)) break;
    text.remove_prefix(step.bytes);
  }
  while (side != Side::kLeft && !text.empty()) {
    size_t begin = text.size() - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    if (!strips(text.substr(begin), NextUtf8(text.substr(begin)).code_point)) break;
    text.remove_suffix(text.size() - begin);
  }
  return std::string(text);
}

std::string Replace(Runtime& runtime, const std::string& text, const std::string& from,
                    const std::string& to, int64_t count) {
  std::string out;
  size_t at = 0;
  while (count != 0) {
    const size_t found = text.find(from, at);
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
                  [](std::string_view c, bool inside) { return inside ? ToLower(c) : ToUpper(c); });
}

std::string Capitalize(const std::string& text) {
  if (text.empty()) return text;
  const size_t bytes = NextUtf8(text).bytes;
  return ToUpper(text.substr(0, bytes)) + ToLower(text.substr(bytes));
}

Value FormatPercent(Runtime& runtime, const std::string& format, const Value& values) {
  const Values arguments = values.is_list() && values.tuple() ? values.items() : Values{values};
  std::string out;
  size_t next = 0;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    const size_t end = format.find_first_not_of("0123456789.-+ #", i + 1);
    const char kind = end == std::string::npos ? '\0' : format[end];
    if (kind == '%') {
      out += '%';
      i = end;
      continue;
    }
    if (next >= arguments.size()) throw TemplateError("not enough arguments for format string");
    const Value& value = arguments[next++];
    const std::string flags = format.substr(i, end - i);
    if (flags.size() > 12) throw TemplateError("format specification too long");
    if (kind == 's' || kind == 'r') {
      out += kind == 's' ? Str(value) : Repr(value);
    } else if ((kind == 'd' || kind == 'i' || kind == 'x') && value.is_number() &&
               std::abs(value.number()) < 9e18) {
      const long long number =
          value.is_integral() ? value.integer() : static_cast<long long>(value.number());
      out += Print(flags + "ll" + kind, number);
    } else if (kind == 'f' && value.is_number()) {
      out += Print(flags + kind, value.number());
    } else {
      throw TemplateError("format '%" + std::string(1, kind) + "' is not supported here");
    }
    runtime.Charge(out.size());
    i = end;
  }
  if (next < arguments.size() && !values.is_dict()) {
    throw TemplateError("not all arguments converted during string formatting");
  }
  return out;
}

const MethodTable& StringMethods() {
  static const MethodTable methods = {{"strip", StripMethod<Side::kBoth>},
                                      {"lstrip", StripMethod<Side::kLeft>},
                                      {"rstrip", StripMethod<Side::kRight>},
                                      {"startswith", StartsOrEnds<true>},
                                      {"endswith", StartsOrEnds<false>},
                                      {"upper", CaseMethod<ToUpper>},
                                      {"lower", CaseMethod<ToLower>},
                                      {"casefold", CaseMethod<ToLower>},
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
                                      {"ljust", JustMethod<false>},
                                      {"rjust", JustMethod<true>},
                                      {"format", FormatMethod}};
  return methods;
}

}  // namespace baton::text::jinja
