#include "text_forms.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "../unicode.h"
#include "baton/text/utf8.h"

namespace baton::text::jinja {
namespace {

/// A list may hold one long text many times: its written form is bounded apart from the steps.
void Bound(const std::string& out) {
  constexpr size_t kMaxBytes = size_t{64} << 20;
  if (out.size() > kMaxBytes) throw LimitError("a value is too long to be written out");
}

std::string Hex(const char* prefix, int digits, uint32_t number) {
  char buffer[24];
  std::snprintf(buffer, sizeof buffer, "%s%0*x", prefix, digits, number);
  return buffer;
}

std::string ReprString(const std::string& text) {
  const bool has_single = text.find('\'') != std::string::npos;
  const char quote = has_single && text.find('"') == std::string::npos ? '"' : '\'';
  std::string out(1, quote);
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Step step = NextUtf8(rest);
    const char32_t c = step.code_point;
    if (c == static_cast<unsigned char>(quote) || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (IsPrintable(c)) {
      out += rest.substr(0, step.bytes);
    } else if (c < 0x100) {
      out += Hex("\\x", 2, c);
    } else {
      out += c < 0x10000 ? Hex("\\u", 4, c) : Hex("\\U", 8, c);
    }
    rest.remove_prefix(step.bytes);
  }
  return out + quote;
}

std::string JsonString(const std::string& text, bool ascii) {
  std::string out = "\"";
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Step step = NextUtf8(rest);
    const char32_t c = step.code_point;
    static constexpr std::string_view kEscaped = "\"\\\n\r\t\f\b";
    static constexpr std::string_view kLetters = "\"\\nrtfb";
    const size_t escape = c < 0x80 ? kEscaped.find(static_cast<char>(c)) : std::string_view::npos;
    if (escape != std::string_view::npos) {
      out += '\\';
      out += kLetters[escape];
    } else if (c < 0x20 || (ascii && c > 0x7E && c < 0x10000)) {
      out += Hex("\\u", 4, c);
    } else if (ascii && c >= 0x10000) {
      out += Hex("\\u", 4, 0xD800 + ((c - 0x10000) >> 10));
      out += Hex("\\u", 4, 0xDC00 + ((c - 0x10000) & 0x3FF));
    } else {
      out += rest.substr(0, step.bytes);
    }
    rest.remove_prefix(step.bytes);
  }
  return out + '"';
}

/// Writes "[...]" or "{...}" around `count` members, with Python's line breaks.
template <typename Member>
void Enclose(const JsonStyle& style, int level, size_t count, const char* brackets,
             std::string& out, const Member& member) {
  out += brackets[0];
  const auto line = [&](int depth) {
    if (!style.indent) return;
    out += '\n';
    for (int i = 0; i < depth; ++i) {
      out += *style.indent;
      Bound(out);
    }
  };
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) out += style.item_separator;
    line(level + 1);
    member(i);
  }
  if (count > 0) line(level);
  out += brackets[1];
}

std::string JsonKey(const Value& key) {
  if (key.is_string()) return key.string();
  if (key.is_none() || key.is_number()) return ToJson(key);
  throw TemplateError("keys must be str, int, float, bool or None, not " +
                      std::string(key.type_name()));
}

bool KeyComesBefore(const Value& a, const Value& b) {
  if (a.is_string() && b.is_string()) return a.string() < b.string();
  if (a.is_number() && b.is_number()) return a.number() < b.number();
  throw TemplateError("keys of different types have no order");
}

void WriteJson(const Value& value, const JsonStyle& style, int level, std::string& out) {
  Bound(out);
  switch (value.kind()) {
    case Value::Kind::kNone: out += "null"; return;
    case Value::Kind::kBool: out += value.truthy() ? "true" : "false"; return;
    case Value::Kind::kInt: out += std::to_string(value.integer()); return;
    case Value::Kind::kFloat:
      out += std::isnan(value.number())   ? "NaN"
             : std::isinf(value.number()) ? (value.number() > 0 ? "Infinity" : "-Infinity")
                                          : FloatText(value.number());
      return;
    case Value::Kind::kString: out += JsonString(value.string(), style.ascii); return;
    case Value::Kind::kList:
      Enclose(style, level, value.items().size(), "[]", out,
              [&](size_t i) { WriteJson(value.items()[i], style, level + 1, out); });
      return;
    case Value::Kind::kDict: {
      auto items = value.dict().items();
      if (style.sort_keys) {
        std::stable_sort(items.begin(), items.end(), [](const auto& a, const auto& b) {
          return KeyComesBefore(a.first, b.first);
        });
      }
      Enclose(style, level, items.size(), "{}", out, [&](size_t i) {
        out += JsonString(JsonKey(items[i].first), style.ascii) + style.key_separator;
        WriteJson(items[i].second, style, level + 1, out);
      });
      return;
    }
    default:
      throw TemplateError("Object of type " + std::string(value.type_name()) +
                          " is not JSON serializable");
  }
}

void WriteRepr(const Value& value, std::string& out) {
  Bound(out);
  if (value.is_string()) {
    out += ReprString(value.string());
  } else if (value.is_list()) {
    out += value.tuple() ? '(' : '[';
    for (size_t i = 0; i < value.items().size(); ++i) {
      if (i > 0) out += ", ";
      WriteRepr(value.items()[i], out);
    }
    if (value.tuple() && value.items().size() == 1) out += ',';
    out += value.tuple() ? ')' : ']';
  } else if (value.is_dict()) {
    out += '{';
    const auto& items = value.dict().items();
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out += ", ";
      WriteRepr(items[i].first, out);
      out += ": ";
      WriteRepr(items[i].second, out);
    }
    out += '}';
  } else {
    out += value.is_undefined() ? "Undefined" : Str(value);
  }
}

}  // namespace

std::string FloatText(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  char buffer[40];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific);
  const std::string scientific(buffer, end.ptr);
  const size_t e = scientific.find('e');
  const int exponent = std::stoi(scientific.substr(e + 1));
  if (exponent < -4 || exponent >= 16) {
    // Python writes at least two digits of exponent, as to_chars does.
    return scientific;
  }
  const auto fixed_end =
      std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::fixed);
  std::string fixed(buffer, fixed_end.ptr);
  if (fixed.find('.') == std::string::npos) fixed += ".0";
  return fixed;
}

std::string Str(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kUndefined: return "";
    case Value::Kind::kNone: return "None";
    case Value::Kind::kBool: return value.truthy() ? "True" : "False";
    case Value::Kind::kInt: return std::to_string(value.integer());
    case Value::Kind::kFloat: return FloatText(value.number());
    case Value::Kind::kString: return value.string();
    case Value::Kind::kObject: return "<" + std::string(value.type_name()) + ">";
    default: return Repr(value);
  }
}

std::string Repr(const Value& value) {
  std::string out;
  WriteRepr(value, out);
  return out;
}

std::string ToJson(const Value& value, const JsonStyle& style) {
  std::string out;
  WriteJson(value, style, 0, out);
  return out;
}

}  // namespace baton::text::jinja
