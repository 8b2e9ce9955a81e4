#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "char_class.h"

namespace baton::grammar {

struct Expr;
/// Shared parts make a tree a graph without cycles; what refers to a rule does so by name.
using ExprPtr = std::shared_ptr<const Expr>;

inline constexpr int kUnbounded = -1;

/// What a rule says: the right-hand side of a grammar, and what regular expressions are read into.
/// *Threads*: immutable.
struct Expr {
  enum class Kind { kLiteral, kClass, kReference, kSequence, kChoice, kRepeat };
  Kind kind = Kind::kSequence;
  /// A literal's UTF-8, or the name of the rule referred to.
  std::string text;
  CharClass chars;
  /// Of a sequence, in order; of a choice; or what is repeated.
  std::vector<ExprPtr> parts;
  int min = 0;
  int max = kUnbounded;
};

ExprPtr Literal(std::string utf8);
ExprPtr Chars(CharClass chars);
ExprPtr Reference(std::string rule);
/// Of none: the empty text. Literals next to each other become one, empty ones are left out.
ExprPtr Sequence(std::vector<ExprPtr> parts);
/// Of none: nothing at all, not even the empty text.
ExprPtr Choice(std::vector<ExprPtr> parts);
ExprPtr Repeat(ExprPtr part, int min, int max);
ExprPtr Optional(ExprPtr part);

/// A grammar's rules by name, and the names in the order in which they were defined.
struct Rules {
  std::map<std::string, ExprPtr, std::less<>> by_name;
  std::vector<std::string> order;
  std::string root;

  /// REQUIRES: no rule of this name.
  void Add(const std::string& name, ExprPtr expr);
};

/// In the notation that ParseEbnf reads.
std::string Print(const ExprPtr& expr);
std::string Print(const Rules& rules);
std::string QuotedLiteral(std::string_view utf8);

}  // namespace baton::grammar
