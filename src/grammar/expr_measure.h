#pragma once

#include <cstdint>
#include <string_view>

#include "expr.h"

namespace baton::grammar {

/// Of the texts of an expression.
struct CharacterCount {
  int64_t least = 0;
  int64_t most = 0;
};
/// `expr` has no references.
CharacterCount CountCharacters(const Expr& expr);

/// REQUIRES: valid UTF-8.
int64_t CharactersOf(std::string_view utf8);

}  // namespace baton::grammar
