#pragma once

#include <string>
#include <vector>

#include "baton/config/load.h"

namespace baton::config {

/// What is wrong with values that are each acceptable: one line per problem, beginning with where
/// the value came from.
std::vector<std::string> CheckWhole(const Loaded& loaded);

}  // namespace baton::config
