#pragma once

#include <string>
#include <vector>

#include "value.h"

namespace baton::text::jinja {

/// Counted from 1; columns in bytes.
struct Position {
  int line = 1;
  int column = 1;
};

/// A mistake with its place.
struct SyntaxError : TemplateError {
  SyntaxError(const std::string& message, Position where) : TemplateError(message), at(where) {}
  Position at;
};

struct Token {
  enum class Kind {
    kText,
    kVariableBegin,
    kVariableEnd,
    kBlockBegin,
    kBlockEnd,
    kName,
    kString,
    kInteger,
    kFloat,
    kOperator,
    kEnd
  };
  Kind kind = Kind::kEnd;
  /// The text, the name, the unescaped string, the operator, the digits.
  std::string text;
  Position at;
};

/// The template's tokens, the last one kEnd; white space is already cut as trim_blocks,
/// lstrip_blocks and the signs - and + ask. *Throws* SyntaxError.
std::vector<Token> Tokenize(const std::string& source);

}  // namespace baton::text::jinja
