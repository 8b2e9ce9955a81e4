#pragma once

#include <string_view>

#include "baton/handoff/outcome.h"

namespace baton::handoff {

/// The inverse of FailureName; kPrefill for a name of a later version.
Failure FailureNamed(std::string_view name);

}  // namespace baton::handoff
