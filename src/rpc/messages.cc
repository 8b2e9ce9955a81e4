#include "baton/rpc/messages.h"

namespace baton::rpc {

std::string RoleName(Role role) {
  switch (role) {
    case Role::kPrefill: return "prefill";
    case Role::kDecode: return "decode";
    case Role::kMixed: return "mixed";
  }
  return "unknown";
}

Result<Role> ParseRole(const std::string& name) {
  if (name == "prefill") return Role::kPrefill;
  if (name == "decode") return Role::kDecode;
  if (name == "mixed") return Role::kMixed;
  return InvalidArgument("unknown role '" + name + "'; known are prefill, decode, mixed");
}

}  // namespace baton::rpc
