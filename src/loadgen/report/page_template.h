#pragma once

#include <string_view>

namespace baton::loadgen {

/// page.html.
std::string_view PageTemplate();

}  // namespace baton::loadgen
