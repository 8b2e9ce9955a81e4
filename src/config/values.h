#pragma once

#include <string>
#include <vector>

#include "schema.h"

namespace baton::config {

/// Reads `text` into the key's member. Fails with InvalidArgument; the message is "is 'x';
/// accepted:
/// ..." to be put behind the key's path. REQUIRES: not key.is_list().
Status Assign(const Key& key, const std::string& text, Config& config);
/// The same for the items of a list.
Status AssignList(const Key& key, const std::vector<std::string>& items, Config& config);

/// The key's value as YAML.
std::string Render(const Key& key, const Config& config);
/// Which values the key takes, e.g. "integer from 0 to 65535".
std::string Accepted(const Key& key);

}  // namespace baton::config
