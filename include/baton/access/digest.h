#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace baton::access {

using Digest = std::array<uint8_t, 32>;

Digest Sha256(std::string_view text);
Digest HmacSha256(std::string_view key, std::string_view text);

/// Takes equally long wherever they differ.
bool SameDigest(const Digest& a, const Digest& b);

/// Bytes that nobody can guess.
Digest RandomDigest();

/// 64 digits, in lower case.
std::string ToHex(const Digest& digest);
/// Nothing unless `text` is 64 hexadecimal digits.
std::optional<Digest> DigestFromHex(std::string_view text);

}  // namespace baton::access
