#include "objects.h"

#include <algorithm>

namespace baton::text::jinja {

Runtime::~Runtime() {
  for (const auto& space : namespaces_) space->Clear();
}

std::optional<Value> Namespace::Attribute(const std::string& name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return std::nullopt;
  return found->second;
}

void Namespace::SetAttribute(const std::string& name, Value value) {
  values_.insert_or_assign(name, std::move(value));
}

std::optional<Value> Loop::Attribute(const std::string& name) const {
  const int64_t index = static_cast<int64_t>(index_);
  const int64_t count = static_cast<int64_t>(items_.size());
  if (name == "index") return Value(index + 1);
  if (name == "index0") return Value(index);
  if (name == "revindex") return Value(count - index);
  if (name == "revindex0") return Value(count - index - 1);
  if (name == "first") return Value(index == 0);
  if (name == "last") return Value(index + 1 == count);
  if (name == "length") return Value(count);
  if (name == "depth") return Value(depth0_ + 1);
  if (name == "depth0") return Value(depth0_);
  if (name == "previtem") {
    return index > 0 ? items_[index_ - 1] : Value::Undefined("there is no previous item");
  }
  if (name == "nextitem") {
    return index + 1 < count ? items_[index_ + 1] : Value::Undefined("there is no next item");
  }
  if (name == "cycle") {
    return MakeFunction([index](Runtime&, const Arguments& arguments) {
      if (arguments.positional.empty()) throw TemplateError("no items for cycling given");
      return arguments.positional[static_cast<size_t>(index) % arguments.positional.size()];
    });
  }
  if (name == "changed") {
    return MakeFunction([last = last_](Runtime& runtime, const Arguments& arguments) {
      const Values& now = arguments.positional;
      const bool same =
          *last && std::equal((*last)->begin(), (*last)->end(), now.begin(), now.end(),
                              [&](const Value& a, const Value& b) { return Equal(runtime, a, b); });
      *last = now;
      return Value(!same);
    });
  }
  return std::nullopt;
}

Value Loop::Call(Runtime& runtime, const Arguments& arguments) const {
  if (!recurse_) throw TemplateError("the loop is not marked recursive");
  return recurse_(runtime, arguments);
}

}  // namespace baton::text::jinja
