#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "../unicode.h"
#include "baton/text/utf8.h"
#include "filters.h"
#include "format.h"
#include "methods.h"
#include "operators.h"
#include "text_forms.h"

namespace baton::text::jinja {
namespace {

Value Trim(Runtime&, const Value& input, const Arguments& arguments) {
  if (arguments.Find(0, "chars") == nullptr) return Strip(Str(input), Side::kBoth);
  const std::string characters = StringArgument(arguments, 0, "chars", "");
  return Strip(Str(input), Side::kBoth, &characters);
}

template <std::string (*function)(std::string_view)>
Value Case(Runtime& runtime, const Value& input, const Arguments&) {
  std::string text = function(Str(input));
  runtime.Charge(text.size());
  return text;
}

Value CapitalizeFilter(Runtime&, const Value& input, const Arguments&) {
  return Capitalize(Str(input));
}

/// Jinja's title begins words after white space and -([{<, unlike Python's.
Value TitleFilter(Runtime& runtime, const Value& input, const Arguments&) {
  const std::string text = ToLower(Str(input));
  runtime.Charge(text.size());
  std::string out;
  bool begins = true;
  for (const Value& character : Iterate(runtime, Value(text))) {
    const std::string& c = character.string();
    out += begins ? ToUpper(c) : c;
    begins =
        Strip(c, Side::kBoth).empty() || std::string_view("-([{<").find(c) != std::string::npos;
  }
  return out;
}

Value StringFilter(Runtime& runtime, const Value& input, const Arguments&) {
  std::string text = Str(input);
  runtime.Charge(text.size());
  return text;
}

Value ReplaceFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  if (arguments.Find(1, "new") == nullptr) throw TemplateError("replace needs old and new");
  return Replace(runtime, Str(input), StringArgument(arguments, 0, "old", ""),
                 StringArgument(arguments, 1, "new", ""), IntArgument(arguments, 2, "count", -1));
}

Value ToJsonFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  JsonStyle style;
  style.ascii = BoolArgument(arguments, 0, "ensure_ascii", false);
  const Value* indent = arguments.Find(1, "indent");
  if (indent != nullptr && !indent->is_none()) {
    const int64_t width =
        indent->is_integral() ? std::clamp<int64_t>(indent->integer(), 0, 100) : 0;
    style.indent =
        indent->is_string() ? indent->string() : std::string(static_cast<size_t>(width), ' ');
    style.item_separator = ",";
  }
  const Value* separators = arguments.Find(2, "separators");
  if (separators != nullptr && separators->is_list() && separators->items().size() == 2) {
    style.item_separator = Str(separators->items()[0]);
    style.key_separator = Str(separators->items()[1]);
  }
  style.sort_keys = BoolArgument(arguments, 3, "sort_keys", false);
  if (input.is_undefined()) throw TemplateError(input.why_undefined());
  std::string text = ToJson(input, style);
  runtime.Charge(text.size());
  return text;
}

/// `number` without its fraction; `otherwise` for what is none.
Value Whole(double number, const Value& otherwise) {
  if (std::isnan(number)) return otherwise;
  if (!(std::abs(number) < 9e18)) throw TemplateError("integer overflow");
  return static_cast<int64_t>(number);
}

Value Int(Runtime&, const Value& input, const Arguments& arguments) {
  const Value* otherwise = arguments.Find(0, "default");
  const Value failed = otherwise == nullptr ? Value(0) : *otherwise;
  if (input.is_integral()) return input.integer();
  if (input.kind() == Value::Kind::kFloat) {
    return Whole(input.number(), failed);
  }
  if (input.is_undefined()) throw TemplateError(input.why_undefined());
  if (!input.is_string()) return failed;
  int64_t base = IntArgument(arguments, 1, "base", 10);
  std::string text = Strip(input.string(), Side::kBoth);
  if (text.starts_with('+')) text.erase(0, 1);
  const std::string prefix = ToLower(text.substr(0, 2));
  for (const auto& [written, meant] :
       {std::pair("0x", 16), std::pair("0o", 8), std::pair("0b", 2)}) {
    if (prefix != written || (base != 0 && base != meant)) continue;
    base = meant;
    text.erase(0, 2);
  }
  if (base == 0) base = 10;
  if (base < 2 || base > 36) return failed;
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto whole = std::from_chars(text.data(), end, number, static_cast<int>(base));
  if (!text.empty() && whole.ptr == end && whole.ec == std::errc()) return number;
  double fraction = 0;
  const auto real = std::from_chars(text.data(), end, fraction);
  return !text.empty() && real.ptr == end ? Whole(fraction, failed) : failed;
}

Value Float(Runtime&, const Value& input, const Arguments& arguments) {
  const Value* otherwise = arguments.Find(0, "default");
  const Value failed = otherwise == nullptr ? Value(0.0) : *otherwise;
  if (input.is_number()) return input.number();
  if (input.is_undefined()) throw TemplateError(input.why_undefined());
  if (!input.is_string()) return failed;
  const std::string text = Strip(input.string(), Side::kBoth);
  double number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  return !text.empty() && end.ptr == text.data() + text.size() ? Value(number) : failed;
}

Value Abs(Runtime&, const Value& input, const Arguments&) {
  if (!input.is_number()) throw TemplateError("abs needs a number");
  if (input.is_integral()) return input.integer() < 0 ? Negate(input) : Value(input.integer());
  return std::abs(input.number());
}

/// Python's round(): half to even, of the exact value of a float.
Value RoundCommon(const Value& number, int precision) {
  if (precision >= 0 && number.is_integral()) return number.integer();
  const double scale = std::pow(10.0, -precision);
  if (precision < 0) {
    const double rounded = std::nearbyint(number.number() / scale) * scale;
    return number.is_integral() ? Value(static_cast<int64_t>(rounded)) : Value(rounded);
  }
  char buffer[1024];
  std::snprintf(buffer, sizeof buffer, "%.*f", precision, number.number());
  return std::strtod(buffer, nullptr);
}

Value Round(Runtime&, const Value& input, const Arguments& arguments) {
  if (!input.is_number()) throw TemplateError("round needs a number");
  const int64_t precision =
      std::clamp<int64_t>(IntArgument(arguments, 0, "precision", 0), -300, 300);
  const std::string method = StringArgument(arguments, 1, "method", "common");
  if (method == "common") return RoundCommon(input, static_cast<int>(precision));
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = input.number() * scale;
  // Python makes an integer of it first, which has no negative zero.
  if (method == "ceil") return (std::ceil(scaled) + 0.0) / scale;
  if (method == "floor") return (std::floor(scaled) + 0.0) / scale;
  throw TemplateError("method must be common, ceil or floor");
}

Value Indent(Runtime& runtime, const Value& input, const Arguments& arguments) {
  if (!input.is_string()) throw TemplateError("indent needs a string");
  const Value* width = arguments.Find(0, "width");
  const std::string pad =
      width != nullptr && width->is_string()
          ? width->string()
          : Arithmetic(runtime, "*", Value(" "), Value(IntArgument(arguments, 0, "width", 4)))
                .string();
  const bool first = BoolArgument(arguments, 1, "first", false);
  const bool blank = BoolArgument(arguments, 2, "blank", false);
  const std::string text = Str(input);
  std::string out;
  size_t begin = 0;
  for (bool at_first = true; begin <= text.size(); at_first = false) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    if ((at_first ? first : true) && (blank || at_first || end > begin)) out += pad;
    out.append(text, begin, end - begin);
    if (end < text.size()) out += '\n';
    runtime.Charge(pad.size() + end - std::min(begin, end));
    begin = end + 1;
  }
  return out;
}

Value Escape(Runtime& runtime, const Value& input, const Arguments&) {
  std::string out;
  for (char c : Str(input)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  runtime.Charge(out.size());
  return out;
}

Value WordCount(Runtime& runtime, const Value& input, const Arguments&) {
  int64_t count = 0;
  bool inside = false;
  const std::string text = Str(input);
  runtime.Charge(text.size());
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Step step = NextUtf8(rest);
    const char32_t c = step.code_point;
    const bool word = IsLetter(c) || IsNumeric(c) || c == '_';
    count += word && !inside;
    inside = word;
    rest.remove_prefix(step.bytes);
  }
  return count;
}

Value FormatFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  return FormatPercent(runtime, Str(input), Value::MakeList(arguments.positional, true));
}

Value Center(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const std::string text = Str(input);
  const int64_t width = IntArgument(arguments, 0, "width", 80);
  const int64_t pad = std::max<int64_t>(width - Length(Value(text)), 0);
  const int64_t left = pad / 2 + (pad & width & 1);
  const auto spaces = [&](int64_t n) {
    return Arithmetic(runtime, "*", Value(" "), Value(n)).string();
  };
  return spaces(left) + text + spaces(pad - left);
}

Value Same(Runtime&, const Value& input, const Arguments&) { return input; }

}  // namespace

const FilterTable& TextFilters() {
  static const FilterTable filters = {{"trim", Trim},
                                      {"upper", Case<ToUpper>},
                                      {"lower", Case<ToLower>},
                                      {"title", TitleFilter},
                                      {"capitalize", CapitalizeFilter},
                                      {"string", StringFilter},
                                      {"replace", ReplaceFilter},
                                      {"tojson", ToJsonFilter},
                                      {"int", Int},
                                      {"float", Float},
                                      {"abs", Abs},
                                      {"round", Round},
                                      {"indent", Indent},
                                      {"escape", Escape},
                                      {"e", Escape},
                                      {"forceescape", Escape},
                                      {"safe", Same},
                                      {"wordcount", WordCount},
                                      {"format", FormatFilter},
                                      {"center", Center}};
  return filters;
}

}  // namespace baton::text::jinja
