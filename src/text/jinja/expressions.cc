#include "evaluator.h"
#include "filters.h"
#include "objects.h"
#include "operators.h"
#include "text_forms.h"

namespace baton::text::jinja {

Value Evaluator::Evaluate(const ExprPtr& expression) {
  const Runtime::Depth depth(runtime_);
  runtime_.Step();
  at_ = expression->at;
  return std::visit([&](const auto& node) { return Evaluate(node); }, expression->node);
}

/// An operation looks at all of its texts, even where it makes nothing.
void Evaluator::ChargeFor(const Value& value) {
  if (value.is_string()) runtime_.Charge(value.string().size());
}

Value Evaluator::Evaluate(const LiteralExpr& node) { return node.value; }

Value Evaluator::Evaluate(const NameExpr& node) {
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
    const auto found = scope->variables.find(node.name);
    if (found != scope->variables.end()) return found->second;
  }
  if (const Value* value = context_.dict().FindKey(node.name)) return *value;
  if (const Value* value = FindGlobal(node.name)) return *value;
  return Value::Undefined("'" + node.name + "' is undefined");
}

Value Evaluator::Evaluate(const ListExpr& node) {
  Values items;
  for (const ExprPtr& item : node.items) items.push_back(Evaluate(item));
  return Value::MakeList(std::move(items), node.tuple);
}

Value Evaluator::Evaluate(const DictExpr& node) {
  Dict dict;
  for (const auto& [key, value] : node.items) {
    const Value evaluated = Evaluate(key);
    ChargeFor(evaluated);
    dict.Set(evaluated, Evaluate(value));
  }
  return Value::MakeDict(std::move(dict));
}

Value Evaluator::Evaluate(const AttributeExpr& node) {
  return GetAttribute(Evaluate(node.object), node.name);
}

Value Evaluator::Evaluate(const SubscriptExpr& node) {
  const Value object = Evaluate(node.object);
  const Value index = Evaluate(node.index);
  ChargeFor(index);
  return GetItem(runtime_, object, index);
}

Value Evaluator::Evaluate(const SliceExpr& node) {
  const Value object = Evaluate(node.object);
  const auto bound = [&](const ExprPtr& e) { return e == nullptr ? Value() : Evaluate(e); };
  const Value start = bound(node.start);
  const Value stop = bound(node.stop);
  return GetSlice(runtime_, object, start, stop, bound(node.step));
}

Arguments Evaluator::EvaluateArguments(const std::vector<Argument>& arguments) {
  Arguments evaluated;
  for (const Argument& argument : arguments) {
    const Value value = Evaluate(argument.value);
    ChargeFor(value);
    switch (argument.kind) {
      case Argument::Kind::kPositional: evaluated.positional.push_back(value); break;
      case Argument::Kind::kNamed: evaluated.named.emplace_back(argument.name, value); break;
      case Argument::Kind::kUnpackList:
        for (Value& item : Iterate(runtime_, value))
          evaluated.positional.push_back(std::move(item));
        break;
      case Argument::Kind::kUnpackDict:
        if (!value.is_dict()) throw TemplateError("argument after ** must be a mapping");
        runtime_.Step(static_cast<int64_t>(value.dict().items().size()));
        for (const auto& [key, item] : value.dict().items()) {
          evaluated.named.emplace_back(Str(key), item);
        }
        break;
    }
  }
  return evaluated;
}

Value Evaluator::Evaluate(const CallExpr& node) { return CallWith(node, nullptr); }

Value Evaluator::CallWith(const CallExpr& node, const Value* caller) {
  const Value callee = Evaluate(node.callee);
  Arguments arguments = EvaluateArguments(node.arguments);
  if (caller != nullptr) arguments.named.emplace_back("caller", *caller);
  at_ = node.callee->at;
  if (callee.is_undefined()) throw TemplateError(callee.why_undefined());
  if (!callee.is_object()) {
    throw TemplateError("'" + std::string(callee.type_name()) + "' object is not callable");
  }
  return callee.object()->Call(runtime_, arguments);
}

Value Evaluator::Evaluate(const FilterExpr& node) {
  return ApplyFilter(node, Evaluate(node.input));
}

Value Evaluator::ApplyFilter(const FilterExpr& node, const Value& input) {
  const Filter filter = FindFilter(node.name);
  if (filter == nullptr) throw TemplateError("No filter named '" + node.name + "'.");
  ChargeFor(input);
  return filter(runtime_, input, EvaluateArguments(node.arguments));
}

Value Evaluator::Evaluate(const TestExpr& node) {
  const Value input = Evaluate(node.input);
  ChargeFor(input);
  const Arguments arguments = EvaluateArguments(node.arguments);
  return ApplyTest(runtime_, node.name, input, arguments) != node.negated;
}

Value Evaluator::Evaluate(const UnaryExpr& node) {
  const Value value = Evaluate(node.operand);
  if (node.op == "not") return !value.truthy();
  return node.op == "-" ? Negate(value) : Negate(Negate(value));
}

Value Evaluator::Evaluate(const BinaryExpr& node) {
  const Value left = Evaluate(node.left);
  if (node.op == "and") return left.truthy() ? Evaluate(node.right) : left;
  if (node.op == "or") return left.truthy() ? left : Evaluate(node.right);
  const Value right = Evaluate(node.right);
  return Arithmetic(runtime_, node.op, left, right);
}

Value Evaluator::Evaluate(const CompareExpr& node) {
  Value left = Evaluate(node.first);
  for (const auto& [op, expression] : node.rest) {
    const Value right = Evaluate(expression);
    ChargeFor(left);
    ChargeFor(right);
    bool holds = false;
    if (op == "==" || op == "!=") {
      holds = Equal(runtime_, left, right) == (op == "==");
    } else if (op == "in" || op == "not in") {
      holds = Contains(runtime_, left, right) == (op == "in");
    } else {
      const int order = Compare(runtime_, left, right);
      holds = op == "<" ? order < 0 : op == "<=" ? order <= 0 : op == ">" ? order > 0 : order >= 0;
    }
    if (!holds) return false;
    left = right;
  }
  return true;
}

Value Evaluator::Evaluate(const ConditionalExpr& node) {
  if (Evaluate(node.test).truthy()) return Evaluate(node.then);
  if (node.otherwise != nullptr) return Evaluate(node.otherwise);
  return Value::Undefined("the inline if-expression evaluated to false and has no else");
}

}  // namespace baton::text::jinja
