#include "baton/base/role.h"

namespace baton {

std::string_view RoleName(Role role) {
  switch (role) {
    case Role::kPrefill: return "prefill";
    case Role::kDecode: return "decode";
    case Role::kMixed: return "mixed";
  }
  return "unknown";
}

Result<Role> ParseRole(std::string_view name) {
  if (name == "prefill") return Role::kPrefill;
  if (name == "decode") return Role::kDecode;
  if (name == "mixed") return Role::kMixed;
  return InvalidArgument("unknown role '" + std::string(name) +
                         "'; known are prefill, decode, mixed");
}

}  // namespace baton
