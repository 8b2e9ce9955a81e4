#pragma once

#include <optional>
#include <string>

#include "runtime.h"
#include "value.h"

namespace baton::text::jinja {

/// `a op b` for "+", "-", "*", "/", "//", "%", "**", "~", as Python computes it. *Throws*.
Value Arithmetic(Runtime& runtime, const std::string& op, const Value& a, const Value& b);
Value Negate(const Value& value);

/// `needle in haystack`.
bool Contains(Runtime& runtime, const Value& needle, const Value& haystack);

/// `object.name`: methods before keys, undefined when there is neither.
Value GetAttribute(const Value& object, const std::string& name);
/// `object[index]`: keys and positions before methods.
Value GetItem(Runtime& runtime, const Value& object, const Value& index);
/// `object[start:stop:step]`; a bound that is none counts as not written.
Value GetSlice(Runtime& runtime, const Value& object, const Value& start, const Value& stop,
               const Value& step);

/// Python's len(). *Throws*.
int64_t Length(const Value& value);

}  // namespace baton::text::jinja
