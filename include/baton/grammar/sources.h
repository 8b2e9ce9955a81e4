#pragma once

#include <span>
#include <string>
#include <string_view>

#include "baton/base/status.h"
#include "baton/grammar/grammar.h"

/// Texts of grammars from what clients send in their place. Each text compiles, but for limits of
/// the automaton, which Grammar::Compile names.
namespace baton::grammar {

/// The texts that the expression matches as a whole. README.md says what is read.
/// *Fails with* InvalidArgument naming the column, or the limit exceeded.
Result<std::string> FromRegex(std::string_view pattern, const GrammarLimits& limits = {});

/// One of these texts. *Fails with* InvalidArgument for none, for broken UTF-8, and over the limit.
Result<std::string> FromChoices(std::span<const std::string> choices,
                                const GrammarLimits& limits = {});

/// Any JSON object.
std::string JsonObject();

struct SchemaOptions {
  /// So many characters of white space may stand at each place where JSON allows it.
  int whitespace = 64;
  /// Of lists and objects within the schema.
  int nesting = 64;
  size_t properties_of_one_object = 1000;
  /// Alternatives of one value, multiplied out.
  size_t alternatives = 256;
  /// Schemas read while following references, allOf and anyOf.
  int steps = 200'000;
  /// What the result must keep to, but for its states.
  GrammarLimits grammar;
};

/// JSON texts that are valid under a JSON Schema (drafts 7 to 2020-12): all of them valid, but of
/// all valid ones only those of the form that README.md describes, e.g. with properties in the
/// schema's order.
/// *Fails with* InvalidArgument naming the place (a JSON pointer) and the keyword that is not
/// supported, of a wrong type, or beyond a limit.
Result<std::string> FromJsonSchema(std::string_view schema, const SchemaOptions& options = {});

/// The rules of a grammar with `prefix` before each name, so that they can stand beside others in
/// one text. The rule to start from is `prefix` + "root". REQUIRES: `prefix` may begin a name.
/// *Fails with* InvalidArgument naming line and column of a mistake in `text`.
Result<std::string> WithPrefix(std::string_view text, const std::string& prefix,
                               const GrammarLimits& limits = {});

}  // namespace baton::grammar
