#pragma once

#include <string>
#include <string_view>

#include "value.h"

namespace baton::text::jinja {

/// Python's str(): what `{{ value }}` prints.
std::string Str(const Value& value);
/// Python's repr(): strings in quotes.
std::string Repr(const Value& value);

struct JsonStyle {
  /// Null for one line.
  std::optional<std::string> indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
  bool ascii = false;
};

/// Python's json.dumps. *Throws* TemplateError for what JSON cannot say.
std::string ToJson(const Value& value, const JsonStyle& style = {});

/// Python's repr() of a float: the shortest digits that read back the same.
std::string FloatText(double number);

}  // namespace baton::text::jinja
