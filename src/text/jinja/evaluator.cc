#include "evaluator.h"

#include <algorithm>
#include <utility>

#include "objects.h"
#include "operators.h"
#include "text_forms.h"

namespace baton::text::jinja {

/// A scope of its own until it goes out of scope.
class Evaluator::Enter {
 public:
  Enter(Evaluator& evaluator, std::shared_ptr<Scope> parent)
      : evaluator_(evaluator), before_(evaluator.scope_) {
    evaluator_.scope_ = std::make_shared<Scope>();
    evaluator_.scope_->parent = std::move(parent);
  }
  explicit Enter(Evaluator& evaluator) : Enter(evaluator, evaluator.scope_) {}
  ~Enter() { evaluator_.scope_ = before_; }
  Enter(const Enter&) = delete;
  Enter& operator=(const Enter&) = delete;

 private:
  Evaluator& evaluator_;
  const std::shared_ptr<Scope> before_;
};

/// *Ownership*: holds its scope weakly, for the scope holds it; the evaluator outlives it.
class Evaluator::Macro final : public Object {
 public:
  Macro(Evaluator& evaluator, const MacroStatement& statement)
      : evaluator_(evaluator), statement_(statement), defined_in_(evaluator.scope_) {}
  std::string_view type() const override { return "macro"; }
  bool callable() const override { return true; }
  std::optional<Value> Attribute(const std::string& name) const override {
    if (name == "name") return Value(statement_.name);
    if (name == "catch_kwargs") return Value(statement_.uses_kwargs);
    if (name == "catch_varargs") return Value(statement_.uses_varargs);
    if (name == "caller") return Value(statement_.uses_caller);
    if (name != "arguments") return std::nullopt;
    Values names;
    for (const Parameter& parameter : statement_.parameters) names.emplace_back(parameter.name);
    return Value::MakeList(std::move(names), true);
  }
  Value Call(Runtime&, const Arguments& arguments) const override {
    return evaluator_.CallMacro(statement_, defined_in_, arguments);
  }

 private:
  Evaluator& evaluator_;
  const MacroStatement& statement_;
  const std::weak_ptr<Scope> defined_in_;
};

std::string Evaluator::Run(const Body& body) {
  Execute(body);
  return std::move(out_);
}

Evaluator::Flow Evaluator::Execute(const Body& body) {
  const Runtime::Depth depth(runtime_);
  for (const Statement& statement : body) {
    at_ = statement.at;
    runtime_.Step();
    const Flow flow = std::visit([&](const auto& node) { return Execute(node); }, statement.node);
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

void Evaluator::Append(const std::string& text) {
  runtime_.Charge(text.size());
  if (out_.size() + text.size() > runtime_.limits().output_bytes) {
    throw LimitError("the rendered text is too long");
  }
  out_ += text;
}

std::string Evaluator::Capture(const Body& body) {
  std::string outer = std::exchange(out_, {});
  try {
    Execute(body);
  } catch (...) {
    out_ = std::move(outer);
    throw;
  }
  return std::exchange(out_, std::move(outer));
}

Evaluator::Flow Evaluator::Execute(const TextStatement& statement) {
  Append(statement.text);
  return Flow::kNormal;
}

Evaluator::Flow Evaluator::Execute(const OutputStatement& statement) {
  Append(Str(Evaluate(statement.value)));
  return Flow::kNormal;
}

Evaluator::Flow Evaluator::Execute(const IfStatement& statement) {
  for (const auto& [test, body] : statement.branches) {
    if (Evaluate(test).truthy()) return Execute(body);
  }
  return Execute(statement.otherwise);
}

Evaluator::Flow Evaluator::Execute(const ForStatement& statement) {
  RunLoop(statement, Evaluate(statement.iterable), 0);
  return Flow::kNormal;
}

Values Evaluator::LoopItems(const ForStatement& statement, const Value& iterable) {
  Values items = Iterate(runtime_, iterable);
  if (statement.filter == nullptr) return items;
  std::erase_if(items, [&](const Value& item) {
    const Enter scope(*this);
    Assign(statement.target, item);
    return !Evaluate(statement.filter).truthy();
  });
  return items;
}

void Evaluator::RunLoop(const ForStatement& statement, const Value& iterable, int depth0) {
  const Values items = LoopItems(statement, iterable);
  const std::weak_ptr<Scope> around = scope_;
  Function::Body recurse;
  if (statement.recursive) {
    recurse = [this, &statement, depth0, around](Runtime&, const Arguments& arguments) {
      if (arguments.positional.empty()) throw TemplateError("loop() needs an argument");
      const auto parent = around.lock();
      const Enter scope(*this, parent ? parent : root_);
      std::string outer = std::exchange(out_, {});
      RunLoop(statement, arguments.positional[0], depth0 + 1);
      return Value(std::exchange(out_, std::move(outer)));
    };
  }
  const auto loop = std::make_shared<Loop>(items, depth0, std::move(recurse));
  bool completed = false;
  for (size_t i = 0; i < items.size(); ++i) {
    runtime_.Step();
    loop->MoveTo(i);
    const Enter scope(*this);
    scope_->variables.insert_or_assign("loop", Value(std::shared_ptr<Object>(loop)));
    Assign(statement.target, items[i]);
    const Flow flow = Execute(statement.body);
    if (flow == Flow::kBreak) break;
    completed = completed || flow == Flow::kNormal;
  }
  // As jinja2 has it: also when each body ended with break or continue.
  if (completed) return;
  const Enter scope(*this);
  Execute(statement.otherwise);
}

void Evaluator::Assign(const Target& target, const Value& value) {
  if (!target.items.empty()) {
    const Values parts = Iterate(runtime_, value);
    if (parts.size() != target.items.size()) {
      throw TemplateError("cannot unpack " + std::to_string(parts.size()) + " values into " +
                          std::to_string(target.items.size()) + " names");
    }
    for (size_t i = 0; i < parts.size(); ++i) Assign(target.items[i], parts[i]);
    return;
  }
  if (target.attribute.empty()) {
    scope_->variables.insert_or_assign(target.name, value);
    return;
  }
  const Value object = Evaluate(NameExpr{target.name});
  if (!object.is_object()) {
    throw TemplateError("cannot assign attribute on non-namespace object");
  }
  object.object()->SetAttribute(target.attribute, value);
}

Evaluator::Flow Evaluator::Execute(const SetStatement& statement) {
  Assign(statement.target, Evaluate(statement.value));
  return Flow::kNormal;
}

Evaluator::Flow Evaluator::Execute(const CaptureStatement& statement) {
  Value value;
  {
    const Enter scope(*this);
    value = Value(Capture(statement.body));
  }
  for (const FilterExpr& filter : statement.filters) value = ApplyFilter(filter, value);
  const bool named = !statement.target.name.empty() || !statement.target.items.empty();
  if (named) {
    Assign(statement.target, value);
  } else {
    Append(Str(value));
  }
  return Flow::kNormal;
}

Value Evaluator::MakeMacro(const MacroStatement& statement) {
  return Value(std::shared_ptr<Object>(std::make_shared<Macro>(*this, statement)));
}

Evaluator::Flow Evaluator::Execute(const MacroStatement& statement) {
  scope_->variables.insert_or_assign(statement.name, MakeMacro(statement));
  return Flow::kNormal;
}

Evaluator::Flow Evaluator::Execute(const CallStatement& statement) {
  const Value caller = MakeMacro(statement.caller);
  Append(Str(CallWith(std::get<CallExpr>(statement.call->node), &caller)));
  return Flow::kNormal;
}

/// What a call passes beyond the parameters: varargs, kwargs and caller, where the body uses them.
void Evaluator::BindRest(const MacroStatement& macro, const Arguments& arguments) {
  const size_t count = macro.parameters.size();
  runtime_.Step(static_cast<int64_t>(count * arguments.named.size() / 16));
  auto& variables = scope_->variables;
  Dict named;
  for (const auto& argument : arguments.named) {
    const auto& [name, value] = argument;
    size_t at = 0;
    while (at < count && macro.parameters[at].name != argument.first) ++at;
    if (at < count && at >= arguments.positional.size()) continue;
    if (name == "caller" && macro.uses_caller) {
      variables.insert_or_assign(name, value);
    } else if (macro.uses_kwargs) {
      named.Set(Value(name), value);
    } else {
      throw TemplateError("macro '" + macro.name + "' takes no keyword argument '" + name + "'");
    }
  }
  if (macro.uses_kwargs) variables.insert_or_assign("kwargs", Value::MakeDict(std::move(named)));
  if (macro.uses_caller) {
    variables.try_emplace("caller", Value::Undefined("No caller defined"));
  }
  if (arguments.positional.size() <= count && !macro.uses_varargs) return;
  if (!macro.uses_varargs) {
    throw TemplateError("macro '" + macro.name + "' takes not more than " + std::to_string(count) +
                        " argument(s)");
  }
  Values more;
  for (size_t i = count; i < arguments.positional.size(); ++i) {
    more.push_back(arguments.positional[i]);
  }
  variables.insert_or_assign("varargs", Value::MakeList(std::move(more), true));
}

Value Evaluator::CallMacro(const MacroStatement& macro, const std::weak_ptr<Scope>& defined_in,
                           const Arguments& arguments) {
  const Runtime::Depth depth(runtime_);
  const auto parent = defined_in.lock();
  const Enter scope(*this, parent ? parent : root_);
  auto& variables = scope_->variables;
  for (size_t i = 0; i < macro.parameters.size(); ++i) {
    const Parameter& parameter = macro.parameters[i];
    const Value* given = arguments.Find(i, parameter.name);
    Value value = given != nullptr ? *given
                  : parameter.otherwise != nullptr
                      ? Evaluate(parameter.otherwise)
                      : Value::Undefined("parameter '" + parameter.name + "' was not provided");
    variables.insert_or_assign(parameter.name, std::move(value));
  }
  BindRest(macro, arguments);
  return Value(Capture(macro.body));
}

Evaluator::Flow Evaluator::Execute(const WithStatement& statement) {
  std::vector<std::pair<const Target*, Value>> values;
  for (const auto& [target, value] : statement.variables) {
    values.emplace_back(&target, Evaluate(value));
  }
  const Enter scope(*this);
  for (const auto& [target, value] : values) Assign(*target, value);
  return Execute(statement.body);
}

Evaluator::Flow Evaluator::Execute(const GenerationStatement& statement) {
  const Enter scope(*this);
  return Execute(statement.body);
}
Evaluator::Flow Evaluator::Execute(const BreakStatement&) { return Flow::kBreak; }
Evaluator::Flow Evaluator::Execute(const ContinueStatement&) { return Flow::kContinue; }

}  // namespace baton::text::jinja
