#pragma once

#include <string>
#include <string_view>

#include "runtime.h"
#include "value.h"

namespace baton::text::jinja {

/// The methods of str, list and dict that change nothing; those that would are there and refuse.
bool HasMethod(const Value& self, const std::string& name);
Value BindMethod(const Value& self, const std::string& name);

// String helpers that filters share.
enum class Side { kLeft, kRight, kBoth };
/// Without `characters`, white space.
std::string Strip(std::string_view text, Side side, const std::string* characters = nullptr);
std::string Replace(Runtime& runtime, const std::string& text, const std::string& from,
                    const std::string& to, int64_t count);
std::string Title(const std::string& text);
std::string Capitalize(const std::string& text);
/// The argument at `index` or `name`, which must be a string if it is there.
std::string StringArgument(const Arguments& arguments, size_t index, std::string_view name,
                           const std::string& otherwise);
int64_t IntArgument(const Arguments& arguments, size_t index, std::string_view name,
                    int64_t otherwise);
bool BoolArgument(const Arguments& arguments, size_t index, std::string_view name, bool otherwise);

}  // namespace baton::text::jinja
