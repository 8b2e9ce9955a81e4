#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "ast.h"
#include "lexer.h"

namespace baton::text::jinja {

/// *Throws* SyntaxError.
Body ParseTemplate(const std::string& source);

/// Recursive descent over the tokens; parser.cc has the statements, expression_parser.cc the rest.
class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
  Body Run();

 private:
  class Nesting;
  class MacroBody;

  // Tokens.
  const Token& Current() const { return tokens_[at_]; }
  Token Next();
  bool IsName(std::string_view name) const;
  bool IsOperator(std::string_view op) const;
  bool Accept(Token::Kind kind);
  bool AcceptName(std::string_view name);
  bool AcceptOperator(std::string_view op);
  void Expect(Token::Kind kind, std::string_view what);
  void ExpectOperator(std::string_view op);
  std::string ExpectName();
  [[noreturn]] void Fail(const std::string& what) const;

  // Statements.
  Body ParseBody(std::initializer_list<std::string_view> ends);
  Statement ParseBlock();
  IfStatement ParseIf();
  ForStatement ParseFor();
  Statement ParseSet(Position at);
  CaptureStatement ParseFilterBlock();
  MacroStatement ParseMacro();
  CallStatement ParseCall();
  WithStatement ParseWith();
  std::vector<Parameter> ParseParameters();
  Target ParseTarget(bool allow_attribute);
  Target ParseOneTarget(bool allow_attribute);
  void EndBlock(std::string_view name);

  // Expressions, loosest binding first.
  void CountOperator();
  ExprPtr ParseTuple(bool with_condition);
  ExprPtr ParseExpression();
  ExprPtr ParseOr();
  ExprPtr ParseAnd();
  ExprPtr ParseNot();
  ExprPtr ParseCompare();
  ExprPtr ParseSum();
  ExprPtr ParseConcat();
  ExprPtr ParseProduct();
  ExprPtr ParsePower();
  ExprPtr ParseUnary(bool with_filter);
  ExprPtr ParsePrimary();
  ExprPtr ParseParenthesis();
  ExprPtr ParseListLiteral();
  ExprPtr ParseDictLiteral();
  ExprPtr ParsePostfix(ExprPtr object);
  ExprPtr ParseSubscript(ExprPtr object, Position at);
  ExprPtr ParseFiltersAndTests(ExprPtr input);
  ExprPtr ParseTest(ExprPtr input, Position at);
  FilterExpr ParseFilter();
  std::vector<Argument> ParseArguments();
  ExprPtr ParseBinaryLevel(std::initializer_list<std::string_view> ops, ExprPtr (Parser::*next)());

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  /// Of the `for` bodies around the current token; a macro's body starts anew.
  int loops_ = 0;
  /// Of the `for` statements around the current token, whatever else is between.
  int fors_ = 0;
  /// The macros around the current token, innermost last.
  std::vector<MacroStatement*> macros_;
  /// Operators seen in this statement's expressions: a bound on the depth of their trees.
  int operators_ = 0;
};

}  // namespace baton::text::jinja
