#pragma once

#include <string_view>

namespace baton::http {

// The files of the live page, as they lie beside this header.
std::string_view PageHtml();
std::string_view PageCss();
std::string_view PageJs();
std::string_view FieldJs();
std::string_view FiguresJs();
std::string_view PromptJs();
std::string_view PageIcon();

}  // namespace baton::http
