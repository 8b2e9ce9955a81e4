#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "lexer.h"
#include "value.h"

namespace baton::text::jinja {

struct Expr;
struct Statement;
using ExprPtr = std::unique_ptr<const Expr>;
using Body = std::vector<Statement>;

struct Argument {
  enum class Kind { kPositional, kNamed, kUnpackList, kUnpackDict };
  Kind kind = Kind::kPositional;
  std::string name;
  ExprPtr value;
};

struct LiteralExpr {
  Value value;
};
struct NameExpr {
  std::string name;
};
struct ListExpr {
  std::vector<ExprPtr> items;
  bool tuple = false;
};
struct DictExpr {
  std::vector<std::pair<ExprPtr, ExprPtr>> items;
};
struct AttributeExpr {
  ExprPtr object;
  std::string name;
};
struct SubscriptExpr {
  ExprPtr object;
  ExprPtr index;
};
/// Bounds that are not written are null.
struct SliceExpr {
  ExprPtr object;
  ExprPtr start;
  ExprPtr stop;
  ExprPtr step;
};
struct CallExpr {
  ExprPtr callee;
  std::vector<Argument> arguments;
};
struct FilterExpr {
  /// Null for the filter of a block.
  ExprPtr input;
  std::string name;
  std::vector<Argument> arguments;
};
struct TestExpr {
  ExprPtr input;
  std::string name;
  std::vector<Argument> arguments;
  bool negated = false;
};
struct UnaryExpr {
  /// "not", "-", "+".
  std::string op;
  ExprPtr operand;
};
struct BinaryExpr {
  /// "+", "-", "*", "/", "//", "%", "**", "~", "and", "or".
  std::string op;
  ExprPtr left;
  ExprPtr right;
};
/// a < b <= c: each neighbouring pair holds.
struct CompareExpr {
  ExprPtr first;
  /// "==", "!=", "<", "<=", ">", ">=", "in", "not in".
  std::vector<std::pair<std::string, ExprPtr>> rest;
};
struct ConditionalExpr {
  ExprPtr test;
  ExprPtr then;
  /// Null where there is no else.
  ExprPtr otherwise;
};

struct Expr {
  Position at;
  std::variant<LiteralExpr, NameExpr, ListExpr, DictExpr, AttributeExpr, SubscriptExpr, SliceExpr,
               CallExpr, FilterExpr, TestExpr, UnaryExpr, BinaryExpr, CompareExpr, ConditionalExpr>
      node;
};

/// What is assigned to: a name, a namespace's attribute, or several targets.
struct Target {
  std::string name;
  std::string attribute;
  std::vector<Target> items;
};

struct TextStatement {
  std::string text;
};
struct OutputStatement {
  ExprPtr value;
};
struct IfStatement {
  std::vector<std::pair<ExprPtr, Body>> branches;
  Body otherwise;
};
struct ForStatement {
  Target target;
  ExprPtr iterable;
  /// `if` of the loop, or null.
  ExprPtr filter;
  Body body;
  Body otherwise;
  bool recursive = false;
};
struct SetStatement {
  Target target;
  ExprPtr value;
};
/// {% set name %}...{% endset %} and, with no target, {% filter ... %}...{% endfilter %}.
struct CaptureStatement {
  Target target;
  std::vector<FilterExpr> filters;
  Body body;
};
struct Parameter {
  std::string name;
  /// Null when there is no default.
  ExprPtr otherwise;
};
struct MacroStatement {
  std::string name;
  std::vector<Parameter> parameters;
  Body body;
  /// Names that the body mentions, which decides what a call may pass.
  bool uses_caller = false;
  bool uses_varargs = false;
  bool uses_kwargs = false;
};
/// {% call(args) f(...) %}...{% endcall %}: `caller` is the macro that f may call.
struct CallStatement {
  ExprPtr call;
  MacroStatement caller;
};
struct WithStatement {
  std::vector<std::pair<Target, ExprPtr>> variables;
  Body body;
};
/// {% generation %}: only the body counts, in a scope of its own.
struct GenerationStatement {
  Body body;
};
struct BreakStatement {};
struct ContinueStatement {};

struct Statement {
  Position at;
  std::variant<TextStatement, OutputStatement, IfStatement, ForStatement, SetStatement,
               CaptureStatement, MacroStatement, CallStatement, WithStatement, GenerationStatement,
               BreakStatement, ContinueStatement>
      node;
};

}  // namespace baton::text::jinja
