#pragma once

#include <string>
#include <string_view>

namespace baton::text::jinja {

/// std::string_view's find and rfind in time linear in both texts, whatever they hold.
size_t Find(std::string_view text, std::string_view what, size_t from = 0);
size_t FindLast(std::string_view text, std::string_view what);

}  // namespace baton::text::jinja
