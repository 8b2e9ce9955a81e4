#include "format.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "baton/text/utf8.h"
#include "operators.h"
#include "text_forms.h"

namespace baton::text::jinja {
namespace {

/// Widths and precisions beyond this would only make long texts.
constexpr int64_t kMaxWidth = 10'000;
constexpr int64_t kMaxPrecision = 300;

/// What a format asks of one value: [[fill]align][sign][#][0][width][,][.precision][type].
struct Spec {
  std::string fill = " ";
  /// '<', '>', '^', '=' or none.
  char align = 0;
  char sign = '-';
  bool alternate = false;
  char grouping = 0;
  int64_t width = 0;
  int64_t precision = -1;
  char type = 0;
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

int64_t TakeNumber(std::string_view text, size_t& at, int64_t most) {
  int64_t number = 0;
  for (; at < text.size() && IsDigit(text[at]); ++at) {
    number = std::min(number * 10 + (text[at] - '0'), most + 1);
  }
  if (number > most) throw TemplateError("the number is too wide");
  return number;
}

std::string FirstCharacters(const std::string& text, int64_t count) {
  size_t at = 0;
  for (; count > 0 && at < text.size(); --count) {
    at += NextUtf8(std::string_view(text).substr(at)).bytes;
  }
  return text.substr(0, at);
}

/// `head` (a sign, a prefix) and `body`, filled up to the width; '=' fills between them.
std::string Pad(Runtime& runtime, const Spec& spec, char align, const std::string& head,
                const std::string& body) {
  const int64_t pad = std::max<int64_t>(spec.width - Length(Value(head + body)), 0);
  const int64_t before = align == '>' || align == '=' ? pad : align == '^' ? pad / 2 : 0;
  const auto fill = [&](int64_t count) {
    return Arithmetic(runtime, "*", Value(spec.fill), Value(count)).string();
  };
  if (align == '=') return head + fill(pad) + body;
  return fill(before) + head + body + fill(pad - before);
}

/// The digits before the point in groups of `size`.
std::string Grouped(const std::string& digits, char separator, size_t size) {
  const size_t end = std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  std::string out = digits;
  for (size_t at = end; at > size; at -= size) out.insert(at - size, 1, separator);
  return out;
}

std::string Digits(uint64_t number, unsigned base, bool upper) {
  const char* letters = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string digits;
  do {
    digits.insert(digits.begin(), letters[number % base]);
    number /= base;
  } while (number > 0);
  return digits;
}

std::string Sign(const Spec& spec, bool negative) {
  if (negative) return "-";
  return spec.sign == '-' ? "" : std::string(1, spec.sign);
}

std::string FormatInteger(Runtime& runtime, const Spec& spec, int64_t number, char align) {
  const unsigned base = spec.type == 'x' || spec.type == 'X' ? 16
                        : spec.type == 'o'                   ? 8
                        : spec.type == 'b'                   ? 2
                                                             : 10;
  const uint64_t magnitude =
      number < 0 ? -static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
  std::string digits = Digits(magnitude, base, spec.type == 'X');
  if (spec.precision > static_cast<int64_t>(digits.size())) {
    digits.insert(0, static_cast<size_t>(spec.precision) - digits.size(), '0');
  }
  if (spec.grouping != 0) digits = Grouped(digits, spec.grouping, base == 10 ? 3 : 4);
  std::string head = Sign(spec, number < 0);
  if (spec.alternate && base != 10) head += std::string("0") + spec.type;
  return Pad(runtime, spec, align, head, digits);
}

/// Of a number that is not negative.
std::string FloatDigits(const Spec& spec, double number) {
  const bool upper = spec.type == 'E' || spec.type == 'F' || spec.type == 'G';
  if (!std::isfinite(number)) {
    const std::string text = std::isnan(number) ? "nan" : "inf";
    return upper ? (std::isnan(number) ? "NAN" : "INF") : text;
  }
  if (spec.type == 0 && spec.precision < 0) return FloatText(number);
  const bool percent = spec.type == '%';
  const char type = percent ? 'f' : spec.type == 0 || spec.type == 'n' ? 'g' : spec.type;
  const std::string form = std::string("%") + (spec.alternate ? "#" : "") + ".*" + type;
  char buffer[1024];
  const int precision = static_cast<int>(spec.precision < 0 ? 6 : spec.precision);
  std::snprintf(buffer, sizeof buffer, form.c_str(), precision, percent ? number * 100 : number);
  std::string digits = buffer;
  // Without a type at least one digit follows the point, as in repr().
  if (spec.type == 0 && digits.find_first_of(".e") == std::string::npos) digits += ".0";
  return percent ? digits + "%" : digits;
}

std::string FormatReal(Runtime& runtime, const Spec& spec, double number, char align) {
  const bool negative = std::signbit(number) && !std::isnan(number);
  std::string digits = FloatDigits(spec, std::abs(number));
  if (spec.grouping != 0) digits = Grouped(digits, spec.grouping, 3);
  return Pad(runtime, spec, align, Sign(spec, negative), digits);
}

bool IsOneOf(char c, std::string_view any) { return c != 0 && any.find(c) != std::string::npos; }

Spec ParseSpec(std::string_view text) {
  Spec spec;
  size_t at = text.empty() ? 0 : NextUtf8(text).bytes;
  const auto aligns = [&](size_t i) { return i < text.size() && IsOneOf(text[i], "<>^="); };
  if (aligns(at)) {
    spec.fill = std::string(text.substr(0, at));
    spec.align = text[at++];
  } else {
    at = 0;
    if (aligns(0)) spec.align = text[at++];
  }
  const auto take = [&](std::string_view any) {
    return at < text.size() && IsOneOf(text[at], any) ? text[at++] : '\0';
  };
  if (const char sign = take("+- ")) spec.sign = sign;
  spec.alternate = take("#") != 0;
  if (take("0") != 0) {
    if (spec.align == 0) spec.align = '0';
    if (spec.fill == " ") spec.fill = "0";
  }
  spec.width = TakeNumber(text, at, kMaxWidth);
  spec.grouping = take(",_");
  if (take(".") != 0) {
    if (at >= text.size() || !IsDigit(text[at]))
      throw TemplateError("Format specifier missing precision");
    spec.precision = TakeNumber(text, at, kMaxPrecision);
  }
  spec.type = at < text.size() ? text[at++] : '\0';
  if (at != text.size()) throw TemplateError("Invalid format specifier");
  return spec;
}

/// Python's format(value, spec).
std::string FormatValue(Runtime& runtime, const Value& value, const std::string& text) {
  if (text.empty()) return Str(value);
  const Spec spec = ParseSpec(text);
  const bool real = value.kind() == Value::Kind::kFloat || IsOneOf(spec.type, "eEfFgG%");
  const char number_align = spec.align == 0 ? '>' : spec.align == '0' ? '=' : spec.align;
  if (value.is_string()) {
    const char align = spec.align == 0 || spec.align == '0' ? '<' : spec.align;
    if (align == '=' || spec.sign != '-' || spec.grouping != 0 || spec.alternate ||
        (spec.type != 0 && spec.type != 's')) {
      throw TemplateError("Invalid format specifier for a str");
    }
    const std::string body =
        spec.precision < 0 ? value.string() : FirstCharacters(value.string(), spec.precision);
    return Pad(runtime, spec, align, "", body);
  }
  if (real && value.is_number()) {
    if (!IsOneOf(spec.type, "eEfFgGn%") && spec.type != 0) {
      throw TemplateError("Unknown format code for a float");
    }
    return FormatReal(runtime, spec, value.number(), number_align);
  }
  if (value.is_integral() && spec.precision < 0 &&
      (spec.type == 0 || IsOneOf(spec.type, "bdnoxX"))) {
    if (spec.grouping == ',' && IsOneOf(spec.type, "boxX")) {
      throw TemplateError("Cannot specify ',' with this format code");
    }
    return FormatInteger(runtime, spec, value.integer(), number_align);
  }
  throw TemplateError("unsupported format specifier for a " + std::string(value.type_name()));
}

/// The replacement fields of str.format.
class Braces {
 public:
  Braces(Runtime& runtime, const Arguments& arguments) : runtime_(runtime), arguments_(arguments) {}

  std::string Format(std::string_view text, int depth = 0) {
    if (depth > 1) throw TemplateError("Max string recursion exceeded");
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      const bool brace = text[i] == '{' || text[i] == '}';
      if (brace && i + 1 < text.size() && text[i + 1] == text[i]) {
        out += text[i++];
      } else if (text[i] == '{') {
        const size_t end = EndOfField(text, i + 1);
        out += Field(text.substr(i + 1, end - i - 1), depth);
        runtime_.Charge(out.size());
        i = end;
      } else if (text[i] == '}') {
        throw TemplateError("Single '}' encountered in format string");
      } else {
        out += text[i];
      }
    }
    return out;
  }

 private:
  static size_t EndOfField(std::string_view text, size_t at) {
    for (int open = 1; at < text.size(); ++at) {
      if (text[at] == '{') ++open;
      if (text[at] == '}' && --open == 0) return at;
    }
    throw TemplateError("expected '}' before end of string");
  }

  std::string Field(std::string_view field, int depth) {
    size_t end = 0;
    for (bool bracket = false; end < field.size(); ++end) {
      if (field[end] == '[') bracket = true;
      if (field[end] == ']') bracket = false;
      if (!bracket && (field[end] == '!' || field[end] == ':')) break;
    }
    Value value = Lookup(field.substr(0, end));
    if (end < field.size() && field[end] == '!') {
      const char conversion = end + 1 < field.size() ? field[end + 1] : '\0';
      if (conversion != 's' && conversion != 'r')
        throw TemplateError("this conversion is not supported");
      value = Value(conversion == 's' ? Str(value) : Repr(value));
      end += 2;
      if (end < field.size() && field[end] != ':')
        throw TemplateError("expected ':' after conversion specifier");
    }
    const std::string spec =
        end < field.size() ? Format(field.substr(end + 1), depth + 1) : std::string();
    return FormatValue(runtime_, value, spec);
  }

  Value Lookup(std::string_view path) {
    size_t at = std::min(path.find_first_of(".["), path.size());
    Value value = First(std::string(path.substr(0, at)));
    while (at < path.size()) {
      if (path[at] == '.') {
        const size_t end = std::min(path.find_first_of(".[", at + 1), path.size());
        if (end == at + 1) throw TemplateError("Empty attribute in format string");
        value = GetAttribute(value, std::string(path.substr(at + 1, end - at - 1)));
        at = end;
      } else {
        const size_t end = path.find(']', at);
        if (path[at] != '[' || end == std::string_view::npos || end == at + 1) {
          throw TemplateError("Missing ']' in format string");
        }
        const std::string key(path.substr(at + 1, end - at - 1));
        const bool index = key.size() < 10 && std::all_of(key.begin(), key.end(), IsDigit);
        value = GetItem(runtime_, value, index ? Value(std::stoi(key)) : Value(key));
        at = end + 1;
      }
    }
    return value;
  }

  Value First(const std::string& name) {
    const bool number = name.size() < 6 && std::all_of(name.begin(), name.end(), IsDigit);
    if (number) {
      const Numbering kind = name.empty() ? Numbering::kAutomatic : Numbering::kManual;
      if (numbering_ != Numbering::kNone && numbering_ != kind) {
        throw TemplateError("cannot switch between manual and automatic field numbering");
      }
      numbering_ = kind;
      const size_t index = name.empty() ? next_++ : std::stoul(name);
      if (index < arguments_.positional.size()) return arguments_.positional[index];
    } else if (const Value* value = arguments_.Find(SIZE_MAX, name)) {
      return *value;
    }
    throw TemplateError("format(): no argument for '{" + name + "}'");
  }

  enum class Numbering { kNone, kAutomatic, kManual };
  Runtime& runtime_;
  const Arguments& arguments_;
  Numbering numbering_ = Numbering::kNone;
  size_t next_ = 0;
};

/// The conversions of str % values.
class Percent {
 public:
  Percent(Runtime& runtime, const std::string& format, const Value& values)
      : runtime_(runtime),
        format_(format),
        values_(values),
        arguments_(values.is_list() && values.tuple() ? values.items() : Values{values}) {}

  std::string Format() {
    std::string out;
    for (at_ = 0; at_ < format_.size(); ++at_) {
      if (format_[at_] != '%') {
        out += format_[at_];
        continue;
      }
      ++at_;
      out += Conversion();
      runtime_.Charge(out.size());
    }
    const bool tolerant =
        values_.is_undefined() || values_.is_dict() || (values_.is_list() && !values_.tuple());
    if (next_ < arguments_.size() && !tolerant) {
      throw TemplateError("not all arguments converted during string formatting");
    }
    return out;
  }

 private:
  char Current() const { return at_ < format_.size() ? format_[at_] : '\0'; }

  const Value& Next() {
    if (next_ >= arguments_.size()) throw TemplateError("not enough arguments for format string");
    return arguments_[next_++];
  }

  int64_t StarOrNumber(int64_t most) {
    if (Current() != '*') return TakeNumber(format_, at_, most);
    ++at_;
    const Value& given = Next();
    if (!given.is_integral()) throw TemplateError("* wants int");
    if (std::abs(given.integer()) > most) throw TemplateError("the number is too wide");
    return given.integer();
  }

  std::string Conversion() {
    std::optional<Value> keyed;
    if (Current() == '(') {
      const size_t end = format_.find(')', at_);
      if (end == std::string::npos) throw TemplateError("incomplete format key");
      if (!values_.is_dict()) throw TemplateError("format requires a mapping");
      const Value* value = values_.dict().FindKey(format_.substr(at_ + 1, end - at_ - 1));
      if (value == nullptr) throw TemplateError("format: no such key");
      keyed = *value;
      at_ = end + 1;
    }
    Spec spec;
    char align = '>';
    for (; IsOneOf(Current(), "#0- +"); ++at_) {
      const char flag = Current();
      if (flag == '#') spec.alternate = true;
      if (flag == '-') align = '<';
      if (flag == '0' && align != '<') align = '=';
      if (flag == '+' || (flag == ' ' && spec.sign == '-')) spec.sign = flag;
    }
    spec.width = StarOrNumber(kMaxWidth);
    if (spec.width < 0) {
      align = '<';
      spec.width = -spec.width;
    }
    if (Current() == '.') {
      ++at_;
      spec.precision = std::max<int64_t>(StarOrNumber(kMaxPrecision), 0);
    }
    if (IsOneOf(Current(), "hlL")) ++at_;
    spec.type = Current();
    if (spec.type == 0) throw TemplateError("incomplete format");
    if (spec.type == '%') return "%";
    return Convert(spec, align, keyed ? *keyed : Next());
  }

  std::string Convert(Spec spec, char align, const Value& value) {
    if (IsOneOf(spec.type, "sr")) {
      std::string text = spec.type == 's' ? Str(value) : Repr(value);
      if (spec.precision >= 0) text = FirstCharacters(text, spec.precision);
      return Pad(runtime_, spec, align == '=' ? '>' : align, "", text);
    }
    if (spec.type == 'c')
      return Pad(runtime_, spec, align == '=' ? '>' : align, "", Character(value));
    if (align == '=') spec.fill = "0";
    if (IsOneOf(spec.type, "diuoxX")) {
      const bool whole = value.is_integral() || (value.is_number() && IsOneOf(spec.type, "diu"));
      if (!whole) throw TemplateError("a number is required for %d");
      if (!value.is_integral() && !(std::abs(value.number()) < 9e18))
        throw TemplateError("integer overflow");
      return FormatInteger(
          runtime_, spec,
          value.is_integral() ? value.integer() : static_cast<int64_t>(value.number()), align);
    }
    if (IsOneOf(spec.type, "eEfFgG") && value.is_number()) {
      return FormatReal(runtime_, spec, value.number(), align);
    }
    throw TemplateError("format '%" + std::string(1, spec.type) + "' does not take this value");
  }

  static std::string Character(const Value& value) {
    if (value.is_string() && Length(value) == 1) return value.string();
    const bool valid = value.is_integral() && value.integer() >= 0 && value.integer() <= 0x10FFFF &&
                       (value.integer() < 0xD800 || value.integer() > 0xDFFF);
    if (!valid) throw TemplateError("%c requires int or char");
    std::string text;
    AppendUtf8(static_cast<char32_t>(value.integer()), text);
    return text;
  }

  Runtime& runtime_;
  const std::string& format_;
  const Value& values_;
  const Values arguments_;
  size_t at_ = 0;
  size_t next_ = 0;
};

}  // namespace

Value FormatPercent(Runtime& runtime, const std::string& format, const Value& values) {
  return Percent(runtime, format, values).Format();
}

Value FormatBraces(Runtime& runtime, const std::string& format, const Arguments& arguments) {
  return Braces(runtime, arguments).Format(format);
}

}  // namespace baton::text::jinja
