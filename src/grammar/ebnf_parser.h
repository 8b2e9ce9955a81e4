#pragma once

#include <string_view>

#include "baton/base/status.h"
#include "baton/grammar/grammar.h"
#include "expr.h"

namespace baton::grammar {

/// Reads the notation of README.md. Every rule referred to is there, and the root.
/// *Fails with* InvalidArgument naming line and column, or the limit exceeded.
Result<Rules> ParseEbnf(std::string_view text, const GrammarLimits& limits);

}  // namespace baton::grammar
