#pragma once

#include <string_view>

#include "baton/base/status.h"
#include "baton/grammar/grammar.h"
#include "expr.h"

namespace baton::grammar {

/// A regular expression with the anchors at its alternatives' ends taken off.
struct Regex {
  struct Alternative {
    ExprPtr expr;
    bool from_start = false;
    bool to_end = false;
  };
  /// At least one.
  std::vector<Alternative> alternatives;
};

/// Reads the part of ECMA-262's regular expressions (and so of Python's) that describes regular
/// languages over characters; classes such as \d, \w and \s are ECMA's. Anchors may stand at the
/// ends of an alternative only, be it within a group around everything.
/// *Fails with* InvalidArgument naming the column, and what is not supported by its name.
Result<Regex> ParseRegex(std::string_view pattern, const GrammarLimits& limits);

/// The texts that the expression matches as a whole; anchors change nothing.
ExprPtr AsWholeMatch(const Regex& regex);

}  // namespace baton::grammar
