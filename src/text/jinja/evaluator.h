#pragma once

#include <map>
#include <memory>
#include <string>

#include "ast.h"
#include "runtime.h"

namespace baton::text::jinja {

/// The variables of a block; what is not there is sought in the block around it.
struct Scope {
  std::map<std::string, Value> variables;
  std::shared_ptr<Scope> parent;
};

/// Runs a template once. statements in evaluator.cc, expressions in expressions.cc.
/// *Ownership*: the tree and the context outlive this.
class Evaluator {
 public:
  Evaluator(const Value& context, Runtime& runtime)
      : context_(context), runtime_(runtime), scope_(std::make_shared<Scope>()), root_(scope_) {}

  /// *Throws* TemplateError; at() is then where.
  std::string Run(const Body& body);
  Position at() const { return at_; }

 private:
  enum class Flow { kNormal, kBreak, kContinue };
  class Enter;
  class Macro;

  Flow Execute(const Body& body);
  Flow Execute(const TextStatement& statement);
  Flow Execute(const OutputStatement& statement);
  Flow Execute(const IfStatement& statement);
  Flow Execute(const ForStatement& statement);
  Flow Execute(const SetStatement& statement);
  Flow Execute(const CaptureStatement& statement);
  Flow Execute(const MacroStatement& statement);
  Flow Execute(const CallStatement& statement);
  Flow Execute(const WithStatement& statement);
  Flow Execute(const GenerationStatement& statement);
  Flow Execute(const BreakStatement& statement);
  Flow Execute(const ContinueStatement& statement);

  void RunLoop(const ForStatement& statement, const Value& iterable, int depth0);
  Values LoopItems(const ForStatement& statement, const Value& iterable);
  void Assign(const Target& target, const Value& value);
  void Append(const std::string& text);
  std::string Capture(const Body& body);
  Value MakeMacro(const MacroStatement& statement);
  Value CallMacro(const MacroStatement& macro, const std::weak_ptr<Scope>& defined_in,
                  const Arguments& arguments);

  void BindRest(const MacroStatement& macro, const Arguments& arguments);

  Value Evaluate(const ExprPtr& expression);
  Value Evaluate(const LiteralExpr& node);
  Value Evaluate(const NameExpr& node);
  Value Evaluate(const ListExpr& node);
  Value Evaluate(const DictExpr& node);
  Value Evaluate(const AttributeExpr& node);
  Value Evaluate(const SubscriptExpr& node);
  Value Evaluate(const SliceExpr& node);
  Value Evaluate(const CallExpr& node);
  Value Evaluate(const FilterExpr& node);
  Value Evaluate(const TestExpr& node);
  Value Evaluate(const UnaryExpr& node);
  Value Evaluate(const BinaryExpr& node);
  Value Evaluate(const CompareExpr& node);
  Value Evaluate(const ConditionalExpr& node);

  void ChargeFor(const Value& value);
  Arguments EvaluateArguments(const std::vector<Argument>& arguments);
  Value CallWith(const CallExpr& node, const Value* caller);
  Value ApplyFilter(const FilterExpr& filter, const Value& input);

  const Value& context_;
  Runtime& runtime_;
  std::shared_ptr<Scope> scope_;
  const std::shared_ptr<Scope> root_;
  std::string out_;
  Position at_;
};

}  // namespace baton::text::jinja
