#pragma once

#include <string_view>

namespace baton {

/// Deep enough for any file that describes a model, and shallow enough to recurse over.
inline constexpr int kMaxJsonNesting = 100;

/// How deeply the lists and objects of a JSON text nest: 0 for a number. For texts of unknown
/// origin, before they are parsed: parsers take any depth, but what walks a document recurses.
/// Of a text that is not JSON it is some number.
int JsonNesting(std::string_view text);

}  // namespace baton
