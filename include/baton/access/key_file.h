#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "baton/access/digest.h"
#include "baton/base/status.h"

namespace baton::access {

/// What the holder of a key may take; 0 requests: as many as the server has.
struct KeyLimits {
  int32_t requests_at_once = 0;
  int32_t requests_per_minute = 0;
  /// The least number that its requests have as their priority: less goes first.
  int32_t highest_priority = 0;
};

/// One holder of a key. The key itself is known to its holder alone.
struct ApiKey {
  /// SHA-256 of the key.
  Digest digest{};
  std::string name;
  /// Tenants share no cached prefixes; several keys may be of one.
  std::string tenant;
  KeyLimits limits;
};

struct KeyFile {
  std::vector<ApiKey> keys;
  /// Makes the salts of tenants unknown to them; see CacheSalt(). May be empty.
  std::string salt_secret;
};

/// The most that a file may hold.
inline constexpr size_t kMostKeys = 4096;
inline constexpr size_t kMostKeyFileBytes = size_t{1} << 20;

/// Reads the text of a file of keys: one per line, as configs/README.md says. `file` is for
/// messages. *Fails with* InvalidArgument, naming the line, whose content it does not repeat.
Result<KeyFile> ParseKeyFile(std::string_view text, const std::string& file);

/// A new key, 256 bits of chance.
std::string MakeKey();

/// The line of the file that admits the holder of a key whose SHA-256 is `key.digest`. *Fails with*
/// InvalidArgument for a name that a file would not take.
Result<std::string> KeyLine(const ApiKey& key);

}  // namespace baton::access
