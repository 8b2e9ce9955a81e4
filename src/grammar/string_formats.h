#pragma once

#include <string_view>

namespace baton::grammar {

/// A regular expression for texts of the format `name`; all of them are valid, not all valid ones
/// are among them: no leap seconds, no international names, no quoted local parts and so on.
/// Empty for an unknown format.
std::string_view PatternOfFormat(std::string_view name);

/// Formats that say how a value is stored, not which it may be (of OpenAPI).
bool IsStorageFormat(std::string_view name);

}  // namespace baton::grammar
