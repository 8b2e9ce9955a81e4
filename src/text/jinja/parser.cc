#include "parser.h"

#include <algorithm>

#include "parser_nesting.h"

namespace baton::text::jinja {

/// While it is in scope, the tokens belong to `macro`.
class Parser::MacroBody {
 public:
  MacroBody(Parser& parser, MacroStatement& macro)
      : parser_(parser), loops_(std::exchange(parser.loops_, 0)) {
    parser_.macros_.push_back(&macro);
  }
  ~MacroBody() {
    parser_.macros_.pop_back();
    parser_.loops_ = loops_;
  }
  MacroBody(const MacroBody&) = delete;
  MacroBody& operator=(const MacroBody&) = delete;

 private:
  Parser& parser_;
  const int loops_;
};

Body ParseTemplate(const std::string& source) { return Parser(Tokenize(source)).Run(); }

void Parser::Fail(const std::string& what) const { throw SyntaxError(what, Current().at); }

Token Parser::Next() {
  Token token = Current();
  if (token.kind != Token::Kind::kEnd) ++at_;
  return token;
}

bool Parser::IsName(std::string_view name) const {
  return Current().kind == Token::Kind::kName && Current().text == name;
}

bool Parser::IsOperator(std::string_view op) const {
  return Current().kind == Token::Kind::kOperator && Current().text == op;
}

bool Parser::Accept(Token::Kind kind) {
  if (Current().kind != kind) return false;
  Next();
  return true;
}

bool Parser::AcceptName(std::string_view name) {
  if (!IsName(name)) return false;
  Next();
  return true;
}

bool Parser::AcceptOperator(std::string_view op) {
  if (!IsOperator(op)) return false;
  Next();
  return true;
}

void Parser::Expect(Token::Kind kind, std::string_view what) {
  if (!Accept(kind)) Fail("expected " + std::string(what));
}

void Parser::ExpectOperator(std::string_view op) {
  if (!AcceptOperator(op)) Fail("expected '" + std::string(op) + "'");
}

std::string Parser::ExpectName() {
  if (Current().kind != Token::Kind::kName) Fail("expected a name");
  return Next().text;
}

Body Parser::Run() { return ParseBody({}); }

/// Statements up to a block that begins with one of `ends`; that name is the current token then.
Body Parser::ParseBody(std::initializer_list<std::string_view> ends) {
  const Nesting nesting(*this);
  Body body;
  while (Current().kind != Token::Kind::kEnd) {
    const Token token = Next();
    operators_ = 0;
    if (token.kind == Token::Kind::kText) {
      body.push_back({token.at, TextStatement{token.text}});
    } else if (token.kind == Token::Kind::kVariableBegin) {
      ExprPtr value = ParseTuple(true);
      Expect(Token::Kind::kVariableEnd, "'}}'");
      body.push_back({token.at, OutputStatement{std::move(value)}});
    } else {
      if (std::any_of(ends.begin(), ends.end(), [&](auto end) { return IsName(end); })) return body;
      body.push_back(ParseBlock());
    }
  }
  if (ends.size() > 0) Fail("expected {% " + std::string(*(ends.end() - 1)) + " %}");
  return body;
}

void Parser::EndBlock(std::string_view name) {
  if (!AcceptName(name)) Fail("expected " + std::string(name));
  Expect(Token::Kind::kBlockEnd, "'%}'");
}

Statement Parser::ParseBlock() {
  const Position at = Current().at;
  const std::string name = ExpectName();
  if (name == "if") return {at, ParseIf()};
  if (name == "for") return {at, ParseFor()};
  if (name == "set") return ParseSet(at);
  if (name == "macro") return {at, ParseMacro()};
  if (name == "call") return {at, ParseCall()};
  if (name == "filter") return {at, ParseFilterBlock()};
  if (name == "with") return {at, ParseWith()};
  if (name == "generation") {
    Expect(Token::Kind::kBlockEnd, "'%}'");
    const int loops = std::exchange(loops_, 0);
    Body body = ParseBody({"endgeneration"});
    loops_ = loops;
    EndBlock("endgeneration");
    return {at, GenerationStatement{std::move(body)}};
  }
  if (name == "break" || name == "continue") {
    if (loops_ == 0) throw SyntaxError("'" + name + "' outside a loop", at);
    Expect(Token::Kind::kBlockEnd, "'%}'");
    if (name == "break") return {at, BreakStatement{}};
    return {at, ContinueStatement{}};
  }
  static constexpr std::string_view kKnown[] = {"include", "import",     "from", "extends",
                                                "block",   "autoescape", "do",   "trans"};
  const bool known = std::find(std::begin(kKnown), std::end(kKnown), name) != std::end(kKnown);
  throw SyntaxError(
      known ? "the tag '" + name + "' is not supported" : "unknown tag '" + name + "'", at);
}

IfStatement Parser::ParseIf() {
  IfStatement statement;
  while (true) {
    ExprPtr test = ParseTuple(false);
    Expect(Token::Kind::kBlockEnd, "'%}'");
    statement.branches.emplace_back(std::move(test), ParseBody({"elif", "else", "endif"}));
    if (!AcceptName("elif")) break;
  }
  if (AcceptName("else")) {
    Expect(Token::Kind::kBlockEnd, "'%}'");
    statement.otherwise = ParseBody({"endif"});
  }
  EndBlock("endif");
  return statement;
}

ForStatement Parser::ParseFor() {
  ForStatement statement;
  ++fors_;
  statement.target = ParseTarget(false);
  if (!AcceptName("in")) Fail("expected 'in'");
  statement.iterable = ParseTuple(false);
  if (AcceptName("if")) statement.filter = ParseExpression();
  statement.recursive = AcceptName("recursive");
  Expect(Token::Kind::kBlockEnd, "'%}'");
  ++loops_;
  statement.body = ParseBody({"else", "endfor"});
  --loops_;
  if (AcceptName("else")) {
    Expect(Token::Kind::kBlockEnd, "'%}'");
    statement.otherwise = ParseBody({"endfor"});
  }
  --fors_;
  EndBlock("endfor");
  return statement;
}

Statement Parser::ParseSet(Position at) {
  Target target = ParseTarget(true);
  if (AcceptOperator("=")) {
    ExprPtr value = ParseTuple(true);
    Expect(Token::Kind::kBlockEnd, "'%}'");
    return {at, SetStatement{std::move(target), std::move(value)}};
  }
  CaptureStatement capture;
  capture.target = std::move(target);
  while (AcceptOperator("|")) capture.filters.push_back(ParseFilter());
  Expect(Token::Kind::kBlockEnd, "'%}'");
  capture.body = ParseBody({"endset"});
  EndBlock("endset");
  return {at, std::move(capture)};
}

CaptureStatement Parser::ParseFilterBlock() {
  CaptureStatement capture;
  do {
    capture.filters.push_back(ParseFilter());
  } while (AcceptOperator("|"));
  Expect(Token::Kind::kBlockEnd, "'%}'");
  capture.body = ParseBody({"endfilter"});
  EndBlock("endfilter");
  return capture;
}

std::vector<Parameter> Parser::ParseParameters() {
  std::vector<Parameter> parameters;
  ExpectOperator("(");
  while (!AcceptOperator(")")) {
    if (!parameters.empty()) ExpectOperator(",");
    if (AcceptOperator(")")) break;
    Parameter& parameter = parameters.emplace_back();
    parameter.name = ExpectName();
    if (AcceptOperator("=")) parameter.otherwise = ParseExpression();
  }
  return parameters;
}

MacroStatement Parser::ParseMacro() {
  MacroStatement macro;
  macro.name = ExpectName();
  macro.parameters = ParseParameters();
  Expect(Token::Kind::kBlockEnd, "'%}'");
  {
    const MacroBody inside(*this, macro);
    macro.body = ParseBody({"endmacro"});
  }
  EndBlock("endmacro");
  return macro;
}

CallStatement Parser::ParseCall() {
  CallStatement statement;
  statement.caller.name = "caller";
  if (IsOperator("(")) statement.caller.parameters = ParseParameters();
  statement.call = ParseExpression();
  if (!std::holds_alternative<CallExpr>(statement.call->node)) Fail("expected a call");
  Expect(Token::Kind::kBlockEnd, "'%}'");
  {
    const MacroBody inside(*this, statement.caller);
    statement.caller.body = ParseBody({"endcall"});
  }
  EndBlock("endcall");
  return statement;
}

WithStatement Parser::ParseWith() {
  WithStatement with;
  while (Current().kind != Token::Kind::kBlockEnd) {
    if (!with.variables.empty()) ExpectOperator(",");
    Target target = ParseOneTarget(false);
    ExpectOperator("=");
    with.variables.emplace_back(std::move(target), ParseExpression());
  }
  Expect(Token::Kind::kBlockEnd, "'%}'");
  with.body = ParseBody({"endwith"});
  EndBlock("endwith");
  return with;
}

Target Parser::ParseOneTarget(bool allow_attribute) {
  const Nesting nesting(*this);
  if (AcceptOperator("(")) {
    Target inner = ParseTarget(false);
    ExpectOperator(")");
    return inner;
  }
  Target target;
  if (fors_ > 0 && IsName("loop")) Fail("cannot assign to loop inside a for");
  target.name = ExpectName();
  if (allow_attribute && AcceptOperator(".")) target.attribute = ExpectName();
  return target;
}

Target Parser::ParseTarget(bool allow_attribute) {
  Target first = ParseOneTarget(allow_attribute);
  if (!IsOperator(",")) return first;
  Target several;
  several.items.push_back(std::move(first));
  while (AcceptOperator(",")) {
    if (Current().kind != Token::Kind::kName && !IsOperator("(")) break;
    if (IsName("in")) break;
    several.items.push_back(ParseOneTarget(allow_attribute));
  }
  return several;
}

}  // namespace baton::text::jinja
