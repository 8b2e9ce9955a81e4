#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>

#include "parser.h"
#include "parser_nesting.h"

namespace baton::text::jinja {
namespace {

template <typename Node>
ExprPtr Make(Position at, Node node) {
  return std::make_unique<const Expr>(Expr{at, std::move(node)});
}

/// Null when `name` is a name like others.
const Value* Constant(const std::string& name) {
  static const std::map<std::string, Value> constants = {
      {"true", Value(true)},   {"True", Value(true)}, {"false", Value(false)},
      {"False", Value(false)}, {"none", Value()},     {"None", Value()}};
  const auto found = constants.find(name);
  return found == constants.end() ? nullptr : &found->second;
}

}  // namespace

void Parser::CountOperator() {
  if (++operators_ > 4000) Fail("the expression is too long");
}

/// One expression, or several with commas, which make a tuple.
ExprPtr Parser::ParseTuple(bool with_condition) {
  const Position at = Current().at;
  const auto one = [&] { return with_condition ? ParseExpression() : ParseOr(); };
  ExprPtr first = one();
  if (!IsOperator(",")) return first;
  ListExpr tuple{{}, true};
  tuple.items.push_back(std::move(first));
  while (AcceptOperator(",")) {
    if (Current().kind == Token::Kind::kVariableEnd || Current().kind == Token::Kind::kBlockEnd ||
        IsOperator(")") || IsOperator("]")) {
      break;
    }
    tuple.items.push_back(one());
  }
  return Make(at, std::move(tuple));
}

ExprPtr Parser::ParseExpression() {
  const Nesting nesting(*this);
  const Position at = Current().at;
  ExprPtr value = ParseOr();
  while (AcceptName("if")) {
    CountOperator();
    ExprPtr test = ParseOr();
    ExprPtr otherwise = AcceptName("else") ? ParseExpression() : nullptr;
    value = Make(at, ConditionalExpr{std::move(test), std::move(value), std::move(otherwise)});
  }
  return value;
}

ExprPtr Parser::ParseOr() {
  ExprPtr left = ParseAnd();
  while (IsName("or")) {
    CountOperator();
    const Position at = Next().at;
    left = Make(at, BinaryExpr{"or", std::move(left), ParseAnd()});
  }
  return left;
}

ExprPtr Parser::ParseAnd() {
  ExprPtr left = ParseNot();
  while (IsName("and")) {
    CountOperator();
    const Position at = Next().at;
    left = Make(at, BinaryExpr{"and", std::move(left), ParseNot()});
  }
  return left;
}

ExprPtr Parser::ParseNot() {
  const Nesting nesting(*this);
  if (!IsName("not")) return ParseCompare();
  const Position at = Next().at;
  return Make(at, UnaryExpr{"not", ParseNot()});
}

ExprPtr Parser::ParseCompare() {
  const Position at = Current().at;
  CompareExpr compare{ParseSum(), {}};
  while (true) {
    static constexpr std::string_view kOperators[] = {"==", "!=", "<=", ">=", "<", ">"};
    const auto op = std::find_if(std::begin(kOperators), std::end(kOperators),
                                 [&](std::string_view o) { return IsOperator(o); });
    if (op != std::end(kOperators)) {
      Next();
      compare.rest.emplace_back(std::string(*op), ParseSum());
    } else if (AcceptName("in")) {
      compare.rest.emplace_back("in", ParseSum());
    } else if (IsName("not") && tokens_[at_ + 1].kind == Token::Kind::kName &&
               tokens_[at_ + 1].text == "in") {
      Next();
      Next();
      compare.rest.emplace_back("not in", ParseSum());
    } else {
      break;
    }
  }
  if (compare.rest.empty()) return std::move(compare.first);
  return Make(at, std::move(compare));
}

ExprPtr Parser::ParseBinaryLevel(std::initializer_list<std::string_view> ops,
                                 ExprPtr (Parser::*next)()) {
  ExprPtr left = (this->*next)();
  while (std::any_of(ops.begin(), ops.end(), [&](auto op) { return IsOperator(op); })) {
    CountOperator();
    const Token op = Next();
    left = Make(op.at, BinaryExpr{op.text, std::move(left), (this->*next)()});
  }
  return left;
}

ExprPtr Parser::ParseSum() { return ParseBinaryLevel({"+", "-"}, &Parser::ParseConcat); }
ExprPtr Parser::ParseConcat() { return ParseBinaryLevel({"~"}, &Parser::ParseProduct); }
ExprPtr Parser::ParseProduct() {
  return ParseBinaryLevel({"*", "/", "//", "%"}, &Parser::ParsePower);
}

ExprPtr Parser::ParsePower() {
  ExprPtr left = ParseUnary(true);
  while (IsOperator("**")) {
    CountOperator();
    const Position at = Next().at;
    left = Make(at, BinaryExpr{"**", std::move(left), ParseUnary(true)});
  }
  return left;
}

ExprPtr Parser::ParseUnary(bool with_filter) {
  const Nesting nesting(*this);
  const Position at = Current().at;
  ExprPtr value;
  if (IsOperator("-") || IsOperator("+")) {
    const std::string op = Next().text;
    value = Make(at, UnaryExpr{op, ParseUnary(false)});
  } else {
    value = ParsePrimary();
  }
  value = ParsePostfix(std::move(value));
  return with_filter ? ParseFiltersAndTests(std::move(value)) : std::move(value);
}

ExprPtr Parser::ParsePrimary() {
  const Token token = Current();
  switch (token.kind) {
    case Token::Kind::kName: {
      Next();
      if (const Value* value = Constant(token.text)) return Make(token.at, LiteralExpr{*value});
      for (MacroStatement* macro : macros_) {
        if (token.text == "caller") macro->uses_caller = true;
        if (token.text == "varargs") macro->uses_varargs = true;
        if (token.text == "kwargs") macro->uses_kwargs = true;
      }
      return Make(token.at, NameExpr{token.text});
    }
    case Token::Kind::kString: {
      std::string text;
      while (Current().kind == Token::Kind::kString) text += Next().text;
      return Make(token.at, LiteralExpr{Value(std::move(text))});
    }
    case Token::Kind::kInteger: {
      int64_t number = 0;
      const bool prefixed =
          token.text.size() > 2 && !(token.text[1] >= '0' && token.text[1] <= '9');
      const int base = !prefixed                                      ? 10
                       : token.text[1] == 'x' || token.text[1] == 'X' ? 16
                       : token.text[1] == 'o' || token.text[1] == 'O' ? 8
                                                                      : 2;
      const char* begin = token.text.data() + (prefixed ? 2 : 0);
      const char* end = token.text.data() + token.text.size();
      if (std::from_chars(begin, end, number, base).ptr != end) Fail("the number is too big");
      Next();
      return Make(token.at, LiteralExpr{Value(number)});
    }
    case Token::Kind::kFloat: {
      const double number = std::strtod(token.text.c_str(), nullptr);
      Next();
      return Make(token.at, LiteralExpr{Value(number)});
    }
    default: break;
  }
  if (IsOperator("(")) return ParseParenthesis();
  if (IsOperator("[")) return ParseListLiteral();
  if (IsOperator("{")) return ParseDictLiteral();
  Fail(token.text.empty() ? "expected an expression" : "unexpected '" + token.text + "'");
}

ExprPtr Parser::ParseParenthesis() {
  const Position at = Next().at;
  if (AcceptOperator(")")) return Make(at, ListExpr{{}, true});
  ExprPtr inner = ParseTuple(true);
  ExpectOperator(")");
  return inner;
}

ExprPtr Parser::ParseListLiteral() {
  const Position at = Next().at;
  ListExpr list;
  while (!AcceptOperator("]")) {
    if (!list.items.empty()) ExpectOperator(",");
    if (AcceptOperator("]")) break;
    list.items.push_back(ParseExpression());
  }
  return Make(at, std::move(list));
}

ExprPtr Parser::ParseDictLiteral() {
  const Position at = Next().at;
  DictExpr dict;
  while (!AcceptOperator("}")) {
    if (!dict.items.empty()) ExpectOperator(",");
    if (AcceptOperator("}")) break;
    ExprPtr key = ParseExpression();
    ExpectOperator(":");
    dict.items.emplace_back(std::move(key), ParseExpression());
  }
  return Make(at, std::move(dict));
}

ExprPtr Parser::ParsePostfix(ExprPtr object) {
  while (true) {
    const Position at = Current().at;
    CountOperator();
    if (AcceptOperator(".")) {
      if (Current().kind == Token::Kind::kInteger) {
        ExprPtr index = ParsePrimary();
        object = Make(at, SubscriptExpr{std::move(object), std::move(index)});
      } else {
        object = Make(at, AttributeExpr{std::move(object), ExpectName()});
      }
    } else if (AcceptOperator("[")) {
      object = ParseSubscript(std::move(object), at);
    } else if (IsOperator("(")) {
      object = Make(at, CallExpr{std::move(object), ParseArguments()});
    } else {
      return object;
    }
  }
}

ExprPtr Parser::ParseSubscript(ExprPtr object, Position at) {
  SliceExpr slice;
  if (!IsOperator(":")) slice.start = ParseTuple(true);
  if (AcceptOperator("]")) {
    return Make(at, SubscriptExpr{std::move(object), std::move(slice.start)});
  }
  ExpectOperator(":");
  if (!IsOperator(":") && !IsOperator("]")) slice.stop = ParseExpression();
  if (AcceptOperator(":") && !IsOperator("]")) slice.step = ParseExpression();
  ExpectOperator("]");
  slice.object = std::move(object);
  return Make(at, std::move(slice));
}

ExprPtr Parser::ParseFiltersAndTests(ExprPtr value) {
  while (true) {
    const Position at = Current().at;
    CountOperator();
    if (AcceptOperator("|")) {
      FilterExpr filter = ParseFilter();
      filter.input = std::move(value);
      value = Make(at, std::move(filter));
    } else if (AcceptName("is")) {
      value = ParseTest(std::move(value), at);
    } else if (IsOperator("(")) {
      value = Make(at, CallExpr{std::move(value), ParseArguments()});
    } else {
      return value;
    }
  }
}

FilterExpr Parser::ParseFilter() {
  FilterExpr filter;
  filter.name = ExpectName();
  while (AcceptOperator(".")) filter.name += "." + ExpectName();
  if (IsOperator("(")) filter.arguments = ParseArguments();
  return filter;
}

ExprPtr Parser::ParseTest(ExprPtr input, Position at) {
  TestExpr test;
  test.input = std::move(input);
  test.negated = AcceptName("not");
  test.name = ExpectName();
  for (const char* word : {"is", "if", "not", "in"}) {
    if (IsName(word)) Fail("unexpected '" + Current().text + "' behind a test");
  }
  const Token& next = Current();
  const bool literal = next.kind == Token::Kind::kString || next.kind == Token::Kind::kInteger ||
                       next.kind == Token::Kind::kFloat || IsOperator("[") || IsOperator("{");
  const bool name = next.kind == Token::Kind::kName && next.text != "else" && next.text != "or" &&
                    next.text != "and" && next.text != "recursive";
  if (IsOperator("(")) {
    test.arguments = ParseArguments();
  } else if (literal || name) {
    Argument argument;
    argument.value = ParsePostfix(ParsePrimary());
    test.arguments.push_back(std::move(argument));
  }
  return Make(at, std::move(test));
}

std::vector<Argument> Parser::ParseArguments() {
  const Nesting nesting(*this);
  std::vector<Argument> arguments;
  ExpectOperator("(");
  while (!AcceptOperator(")")) {
    if (!arguments.empty()) ExpectOperator(",");
    if (AcceptOperator(")")) break;
    Argument argument;
    if (AcceptOperator("*")) {
      argument.kind = Argument::Kind::kUnpackList;
    } else if (AcceptOperator("**")) {
      argument.kind = Argument::Kind::kUnpackDict;
    } else if (Current().kind == Token::Kind::kName &&
               tokens_[at_ + 1].kind == Token::Kind::kOperator && tokens_[at_ + 1].text == "=") {
      argument.kind = Argument::Kind::kNamed;
      argument.name = Next().text;
      Next();
      const bool repeated =
          std::any_of(arguments.begin(), arguments.end(), [&](const Argument& other) {
            return other.kind == Argument::Kind::kNamed && other.name == argument.name;
          });
      if (repeated) Fail("keyword argument repeated: " + argument.name);
    }
    argument.value = ParseExpression();
    arguments.push_back(std::move(argument));
  }
  return arguments;
}

}  // namespace baton::text::jinja
