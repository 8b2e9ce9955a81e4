#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace baton::text {

/// Byte-level vocabularies write each byte as one printable character: bytes that print in Latin-1
/// stand for themselves, the others for U+0100 and up.
/// The bytes that `written` stands for; nothing when it has a character outside that alphabet.
std::optional<std::string> BytesOfWritten(std::string_view written);

}  // namespace baton::text
