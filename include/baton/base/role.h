#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "baton/base/status.h"

namespace baton {

/// What a worker's scheduler admits. A mixed worker serves alone.
enum class Role : uint8_t { kPrefill = 0, kDecode = 1, kMixed = 2 };

/// "prefill", "decode", "mixed".
std::string_view RoleName(Role role);
/// Fails with InvalidArgument naming the roles.
Result<Role> ParseRole(std::string_view name);

}  // namespace baton
