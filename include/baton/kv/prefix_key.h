#pragma once

#include <cstdint>
#include <span>

#include "baton/base/ids.h"

namespace baton::kv {

/// Names a prefix of whole blocks by its content and salt, the same in every process: others can
/// work out which prefixes of a prompt a worker has. Not proof against collisions, which whoever
/// knows this function can make; KV is found by its tokens, never by this.
enum class PrefixKey : uint64_t {};
/// The empty prefix.
inline constexpr PrefixKey kPrefixRootKey{0};

/// Of one block of tokens behind a prefix.
inline uint64_t HashBlock(uint64_t seed, uint64_t prefix, std::span<const TokenId> tokens,
                          uint64_t salt) {
  const auto mix = [](uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0x9E3779B97F4A7C15;
    return hash ^ (hash >> 32);
  };
  uint64_t hash = mix(mix(seed, prefix), salt);
  for (const TokenId token : tokens) hash = mix(hash, static_cast<uint32_t>(token));
  return hash;
}

/// The prefix of one more block of tokens. Protocol: proto/README.md defines the function.
inline PrefixKey ExtendPrefix(PrefixKey parent, std::span<const TokenId> tokens, uint64_t salt) {
  return PrefixKey{HashBlock(0x6261746F6E, Index(parent), tokens, salt)};
}

/// A prefix can be found in a worker's cache from now on, or no more.
struct PrefixChange {
  PrefixKey key{};
  bool stored = false;

  bool operator==(const PrefixChange&) const = default;
};

}  // namespace baton::kv
