#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "runtime.h"
#include "value.h"

namespace baton::text::jinja {

/// Anything that can be called and has no other attribute: a built-in, a bound method.
class Function final : public Object {
 public:
  using Body = std::function<Value(Runtime&, const Arguments&)>;
  /// `depth` is that of the values in `body`.
  explicit Function(Body body, int depth = 0) : Object(depth), body_(std::move(body)) {}
  std::string_view type() const override { return "function"; }
  bool callable() const override { return true; }
  Value Call(Runtime& runtime, const Arguments& arguments) const override {
    return body_(runtime, arguments);
  }

 private:
  Body body_;
};

inline Value MakeFunction(Function::Body body, int depth = 0) {
  return Value(std::shared_ptr<Object>(std::make_shared<Function>(std::move(body), depth)));
}

/// namespace(): the one value whose attributes may be set.
class Namespace final : public Object {
 public:
  std::string_view type() const override { return "namespace"; }
  std::optional<Value> Attribute(const std::string& name) const override;
  void SetAttribute(const std::string& name, Value value) override;
  void Clear() { values_.clear(); }

 private:
  std::map<std::string, Value> values_;
};

/// `loop` inside a for.
class Loop final : public Object {
 public:
  Loop(const Values& items, int depth0, Function::Body recurse)
      : Object(DepthAround(items)), items_(items), depth0_(depth0), recurse_(std::move(recurse)) {}
  void MoveTo(size_t index) { index_ = index; }

  std::string_view type() const override { return "loop"; }
  std::optional<Value> Attribute(const std::string& name) const override;
  bool callable() const override { return recurse_ != nullptr; }
  Value Call(Runtime& runtime, const Arguments& arguments) const override;
  int depth0() const { return depth0_; }

 private:
  const Values items_;
  const int depth0_;
  const Function::Body recurse_;
  size_t index_ = 0;
  /// What `changed` saw last.
  const std::shared_ptr<std::optional<Values>> last_ = std::make_shared<std::optional<Values>>();
};

/// The global `name` (range, namespace, raise_exception, ...); null when there is none.
const Value* FindGlobal(const std::string& name);

}  // namespace baton::text::jinja
