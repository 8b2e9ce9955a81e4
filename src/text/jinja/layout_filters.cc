#include <algorithm>
#include <cmath>
#include <cstdio>

#include "../unicode.h"
#include "baton/text/utf8.h"
#include "filters.h"
#include "methods.h"
#include "operators.h"
#include "text_forms.h"

namespace baton::text::jinja {
namespace {

std::string Part(Runtime& runtime, const std::string& text, int64_t begin, int64_t end) {
  return GetSlice(runtime, Value(text), Value(begin), Value(end), Value()).string();
}

Value Truncate(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const int64_t length = IntArgument(arguments, 0, "length", 255);
  const bool kill_words = BoolArgument(arguments, 1, "killwords", false);
  const std::string end = StringArgument(arguments, 2, "end", "...");
  const int64_t leeway = IntArgument(arguments, 3, "leeway", 5);
  const int64_t end_length = Length(Value(end));
  if (length < end_length) throw TemplateError("truncate: the length is less than that of the end");
  if (leeway < 0) throw TemplateError("truncate: expected leeway >= 0");
  if (Length(input) <= length + leeway) return input;
  if (!input.is_string()) throw TemplateError("truncate needs a string");
  const std::string& text = input.string();
  std::string head = Part(runtime, text, 0, length - end_length);
  if (!kill_words) head = head.substr(0, std::min(head.rfind(' '), head.size()));
  return head + end;
}

bool IsBlank(const std::string& character) {
  return character.size() == 1 &&
         std::string_view("\t\n\v\f\r ").find(character[0]) != std::string_view::npos;
}

/// Python's textwrap for one line, as the wordwrap filter calls it: blanks are kept within a line
/// and dropped at its ends, tabs stay.
class Wrapper {
 public:
  Wrapper(Runtime& runtime, int64_t width, bool break_long_words, bool break_on_hyphens)
      : runtime_(runtime),
        width_(width),
        break_long_words_(break_long_words),
        break_on_hyphens_(break_on_hyphens) {}

  std::vector<std::string> Wrap(const std::string& line) {
    Split(line);
    std::reverse(chunks_.begin(), chunks_.end());
    std::vector<std::string> lines;
    while (!chunks_.empty()) {
      std::vector<Chunk> now;
      int64_t length = 0;
      if (chunks_.back().blank && !lines.empty()) chunks_.pop_back();
      while (!chunks_.empty() && length + chunks_.back().size() <= width_) {
        length += chunks_.back().size();
        now.push_back(Take());
      }
      if (!chunks_.empty() && chunks_.back().size() > width_) BreakLong(width_ - length, now);
      if (!now.empty() && now.back().blank) now.pop_back();
      if (now.empty()) continue;
      std::string text;
      for (const Chunk& chunk : now) text += chunk.Text();
      runtime_.Charge(text.size() + 64);
      lines.push_back(std::move(text));
    }
    return lines;
  }

 private:
  struct Chunk {
    std::vector<std::string> characters;
    bool blank = false;
    int64_t size() const { return static_cast<int64_t>(characters.size()); }
    std::string Text() const {
      std::string text;
      for (const std::string& c : characters) text += c;
      return text;
    }
  };

  Chunk Take() {
    Chunk chunk = std::move(chunks_.back());
    chunks_.pop_back();
    return chunk;
  }

  /// Runs of blanks, and words, which end behind hyphens between letters where that is asked for.
  void Split(const std::string& line) {
    std::vector<std::string> characters;
    for (const Value& c : Iterate(runtime_, Value(line))) characters.push_back(c.string());
    for (size_t i = 0; i < characters.size(); ++i) {
      const bool blank = IsBlank(characters[i]);
      const bool begins = chunks_.empty() || chunks_.back().blank != blank ||
                          (!blank && break_on_hyphens_ && EndsAtHyphen(characters, i));
      if (begins) chunks_.push_back({{}, blank});
      chunks_.back().characters.push_back(characters[i]);
    }
  }

  /// Whether a word may be cut before character i: behind a hyphen with two letters before it and
  /// two letters (or a letter, a hyphen and a letter) after it, and around a dash of hyphens.
  static bool EndsAtHyphen(const std::vector<std::string>& c, size_t i) {
    const auto letter = [&](size_t at) {
      const char32_t code = at < c.size() ? NextUtf8(c[at]).code_point : U'0';
      return IsWord(code) && !IsDecimal(code);
    };
    const auto word = [&](size_t at) {
      return at < c.size() && IsWord(NextUtf8(c[at]).code_point);
    };
    const auto punctuated = [&](size_t at) {
      return word(at) ||
             (at < c.size() && std::string_view("!\"'&.,?").find(c[at]) != std::string_view::npos);
    };
    const auto hyphen = [&](size_t at) { return at < c.size() && c[at] == "-"; };
    if (hyphen(i - 1)) {
      const bool dash = i >= 2 && hyphen(i - 2);
      if (dash) {
        size_t first = i - 1;
        while (first > 0 && hyphen(first - 1)) --first;
        return !hyphen(i) && word(i) && first > 0 && punctuated(first - 1);
      }
      const bool before = i >= 3 && ((letter(i - 2) && letter(i - 3)) ||
                                     (i >= 4 && letter(i - 2) && hyphen(i - 3) && letter(i - 4)));
      return before && letter(i) && (letter(i + 1) || (hyphen(i + 1) && letter(i + 2)));
    }
    if (hyphen(i) && hyphen(i + 1)) {
      size_t end = i;
      while (hyphen(end)) ++end;
      return punctuated(i - 1) && word(end);
    }
    return false;
  }

  void BreakLong(int64_t space, std::vector<Chunk>& now) {
    if (width_ < 1) space = 1;
    if (!break_long_words_) {
      if (now.empty()) now.push_back(Take());
      return;
    }
    std::vector<std::string>& from = chunks_.back().characters;
    auto end = from.begin() + space;
    if (break_on_hyphens_ && static_cast<int64_t>(from.size()) > space) {
      const auto hyphen = std::find(std::make_reverse_iterator(end), from.rend(), "-");
      const auto cut = hyphen.base();
      const bool something =
          cut - from.begin() > 1 &&
          std::any_of(from.begin(), cut - 1, [](const std::string& c) { return c != "-"; });
      if (something) end = cut;
    }
    Chunk head{{from.begin(), end}, chunks_.back().blank};
    runtime_.Step(static_cast<int64_t>(from.size()));
    from.erase(from.begin(), end);
    now.push_back(std::move(head));
  }

  Runtime& runtime_;
  const int64_t width_;
  const bool break_long_words_;
  const bool break_on_hyphens_;
  /// The next one last.
  std::vector<Chunk> chunks_;
};

Value WordWrap(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const int64_t width = IntArgument(arguments, 0, "width", 79);
  if (width < 1) throw TemplateError("wordwrap: the width must be above 0");
  const bool break_long_words = BoolArgument(arguments, 1, "break_long_words", true);
  const std::string with = StringArgument(arguments, 2, "wrapstring", "\n");
  const bool break_on_hyphens = BoolArgument(arguments, 3, "break_on_hyphens", true);
  if (!input.is_string()) throw TemplateError("wordwrap needs a string");
  const Value& text = input;
  runtime.Charge(text.string().size() * 128);
  std::string out;
  bool first = true;
  const Value lines = BindMethod(text, "splitlines").object()->Call(runtime, {});
  for (const Value& line : lines.items()) {
    if (!first) out += with;
    first = false;
    bool first_piece = true;
    for (const std::string& piece :
         Wrapper(runtime, width, break_long_words, break_on_hyphens).Wrap(line.string())) {
      if (!first_piece) out += with;
      first_piece = false;
      out += piece;
      runtime.Charge(piece.size() + with.size());
    }
  }
  return out;
}

std::string Quoted(const std::string& text, std::string_view safe) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("_.-~").find(c) != std::string_view::npos;
    if (plain || safe.find(c) != std::string_view::npos) {
      out += c;
    } else {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "%%%02X",
                    static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += buffer;
    }
  }
  return out;
}

/// In a query a blank becomes "+" and a slash is quoted too.
std::string QuotedForQuery(const std::string& text) {
  std::string out = Quoted(text, " ");
  std::replace(out.begin(), out.end(), ' ', '+');
  return out;
}

Value UrlEncode(Runtime& runtime, const Value& input, const Arguments&) {
  if (!input.is_dict() && !input.is_list()) {
    const std::string text = Str(input);
    runtime.Charge(text.size() * 3);
    return Quoted(text, "/");
  }
  const Values pairs = input.is_dict()
                           ? BindMethod(input, "items").object()->Call(runtime, {}).items()
                           : input.items();
  std::string out;
  for (const Value& pair : pairs) {
    const Values both = Iterate(runtime, pair);
    if (both.size() != 2) throw TemplateError("urlencode needs pairs");
    out += (out.empty() ? "" : "&") + QuotedForQuery(Str(both[0])) + "=" +
           QuotedForQuery(Str(both[1]));
    runtime.Charge(out.size());
  }
  return out;
}

Value FileSizeFormat(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Value number = FindFilter("float")(runtime, input, {.positional = {Value()}, .named = {}});
  if (!number.is_number()) throw TemplateError("filesizeformat needs a number");
  const bool binary = BoolArgument(arguments, 0, "binary", false);
  const double base = binary ? 1024 : 1000;
  const double bytes = number.number();
  if (bytes == 1) return "1 Byte";
  char buffer[64];
  if (bytes < base) {
    std::snprintf(buffer, sizeof buffer, "%.0f Bytes", std::trunc(bytes));
    return buffer[0] == '-' && std::trunc(bytes) == 0 ? "0 Bytes" : buffer;
  }
  static constexpr const char* kBinary[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};
  static constexpr const char* kDecimal[] = {"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
  double unit = base;
  for (int i = 0; i < 8; ++i) {
    unit = std::pow(base, i + 2);
    if (bytes < unit || i == 7) {
      std::snprintf(buffer, sizeof buffer, "%.1f %s", base * bytes / unit,
                    binary ? kBinary[i] : kDecimal[i]);
      break;
    }
  }
  return buffer;
}

Value RefuseFilter(Runtime&, const Value&, const Arguments&) {
  throw TemplateError("the filter is not supported");
}

Value Slice(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const int64_t slices = IntArgument(arguments, 0, "slices", 0);
  const Values items = Iterate(runtime, input);
  if (slices == 0) throw TemplateError("slice needs a count above 0");
  const Value* fill = arguments.Find(1, "fill_with");
  const bool filled = fill != nullptr && !fill->is_none();
  Values parts;
  const auto count = static_cast<int64_t>(items.size());
  for (int64_t i = 0, offset = 0; i < slices; ++i) {
    runtime.Step(4);
    const int64_t size = count / slices + (i < count % slices ? 1 : 0);
    Values part(items.begin() + offset, items.begin() + offset + size);
    if (filled && i >= count % slices) part.push_back(*fill);
    offset += size;
    parts.push_back(Value::MakeList(std::move(part)));
  }
  return Value::MakeList(std::move(parts));
}

}  // namespace

const FilterTable& LayoutFilters() {
  static const FilterTable filters = {{"truncate", Truncate},
                                      {"wordwrap", WordWrap},
                                      {"urlencode", UrlEncode},
                                      {"slice", Slice},
                                      {"filesizeformat", FileSizeFormat},
                                      {"pprint", RefuseFilter},
                                      {"random", RefuseFilter},
                                      {"striptags", RefuseFilter},
                                      {"urlize", RefuseFilter},
                                      {"xmlattr", RefuseFilter}};
  return filters;
}

}  // namespace baton::text::jinja
