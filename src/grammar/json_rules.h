#pragma once

#include <string>
#include <string_view>

#include "expr.h"

namespace baton::grammar {

/// Names of the rules that AddJsonRules adds.
inline constexpr const char* kJsonSpace = "ws";
inline constexpr const char* kJsonValue = "json-value";
inline constexpr const char* kJsonObject = "json-object";
inline constexpr const char* kJsonArray = "json-array";
inline constexpr const char* kJsonString = "json-string";
inline constexpr const char* kJsonNumber = "json-number";
inline constexpr const char* kJsonInteger = "json-integer";
/// A character of a string, escaped where it must be or may be.
inline constexpr const char* kJsonChar = "json-char";

/// Any JSON, with up to so much white space at each place. Numbers have at most 16 digits before
/// and after the point and two in the exponent.
void AddJsonRules(int whitespace, Rules& rules);

/// A JSON string of the texts of `expr`, which has no references; the quotes are not included.
ExprPtr WithinJsonString(const Expr& expr);

/// `utf8` as a JSON string, quotes included.
std::string JsonQuoted(std::string_view utf8);

/// `open` ws, then as given, then `close`.
ExprPtr Enclosed(std::string open, ExprPtr inside, std::string close);
/// "," ws.
ExprPtr Comma();
ExprPtr Space();

}  // namespace baton::grammar
