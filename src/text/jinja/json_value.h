#pragma once

#include <string_view>

#include "value.h"

namespace baton::text::jinja {

/// A JSON document as a value, keys in their order. *Throws* TemplateError naming the byte.
Value ParseJson(std::string_view json);

}  // namespace baton::text::jinja
