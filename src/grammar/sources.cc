#include "baton/grammar/sources.h"

#include <utility>

#include "baton/text/utf8.h"
#include "ebnf_parser.h"
#include "json_rules.h"
#include "regex_parser.h"

namespace baton::grammar {
namespace {

Result<std::string> WithinLimit(std::string text, const GrammarLimits& limits) {
  if (text.size() <= limits.text_bytes) return text;
  return InvalidArgument("the grammar has " + std::to_string(text.size()) +
                         " bytes, more than the limit of " + std::to_string(limits.text_bytes));
}

ExprPtr Renamed(const Expr& expr, const std::string& prefix) {
  Expr out = expr;
  if (expr.kind == Expr::Kind::kReference) out.text.insert(0, prefix);
  for (ExprPtr& part : out.parts) part = Renamed(*part, prefix);
  return std::make_shared<const Expr>(std::move(out));
}

}  // namespace

Result<std::string> FromRegex(std::string_view pattern, const GrammarLimits& limits) {
  BATON_ASSIGN_OR_RETURN(const Regex regex, ParseRegex(pattern, limits));
  return WithinLimit("root ::= " + Print(AsWholeMatch(regex)) + "\n", limits);
}

Result<std::string> FromChoices(std::span<const std::string> choices, const GrammarLimits& limits) {
  if (choices.empty()) return InvalidArgument("there is nothing to choose from");
  std::vector<ExprPtr> ways;
  for (const std::string& choice : choices) {
    if (!text::IsValidUtf8(choice)) return InvalidArgument("a choice is not valid UTF-8");
    ways.push_back(Literal(choice));
  }
  return WithinLimit("root ::= " + Print(Choice(std::move(ways))) + "\n", limits);
}

Result<std::string> WithPrefix(std::string_view text, const std::string& prefix,
                               const GrammarLimits& limits) {
  BATON_ASSIGN_OR_RETURN(const Rules rules, ParseEbnf(text, limits));
  Rules renamed;
  for (const std::string& name : rules.order)
    renamed.Add(prefix + name, Renamed(*rules.by_name.at(name), prefix));
  if (rules.root != "root") renamed.Add(prefix + "root", Reference(prefix + rules.root));
  return WithinLimit(Print(renamed), limits);
}

std::string JsonObject() {
  Rules rules;
  rules.Add("root", Reference(kJsonObject));
  AddJsonRules(SchemaOptions().whitespace, rules);
  return Print(rules);
}

}  // namespace baton::grammar
