#pragma once

#include <string>

#include "runtime.h"
#include "value.h"

namespace baton::text::jinja {

/// Python's `format % values`. *Throws*.
Value FormatPercent(Runtime& runtime, const std::string& format, const Value& values);

/// Python's `format.format(...)`; fields look up attributes and items as expressions do. *Throws*.
Value FormatBraces(Runtime& runtime, const std::string& format, const Arguments& arguments);

}  // namespace baton::text::jinja
