#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace baton::text::jinja {

/// What stands between the quotes, with Python's escapes read. Unknown escapes stay as they are;
/// null for those that are cut short, and for \N{...}.
std::optional<std::string> Unescape(std::string_view literal);

}  // namespace baton::text::jinja
