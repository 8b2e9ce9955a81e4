#include "methods.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <set>

#include "../unicode.h"
#include "baton/text/utf8.h"
#include "objects.h"
#include "operators.h"
#include "string_methods.h"
#include "text_forms.h"

namespace baton::text::jinja {
namespace {

Value Keys(Runtime& runtime, const Value& self, const Arguments&) {
  return Value::MakeList(Iterate(runtime, self));
}

Value ValuesOf(Runtime& runtime, const Value& self, const Arguments&) {
  runtime.Step(static_cast<int64_t>(self.dict().items().size()));
  Values values;
  for (const auto& [key, value] : self.dict().items()) values.push_back(value);
  return Value::MakeList(std::move(values));
}

Value Items(Runtime& runtime, const Value& self, const Arguments&) {
  runtime.Step(static_cast<int64_t>(self.dict().items().size()) * 4);
  Values pairs;
  for (const auto& [key, value] : self.dict().items()) {
    pairs.push_back(Value::MakeList({key, value}, true));
  }
  return Value::MakeList(std::move(pairs));
}

Value Get(Runtime&, const Value& self, const Arguments& arguments) {
  const Value* key = arguments.Find(0, "key");
  if (key == nullptr) throw TemplateError("get expected at least 1 argument, got 0");
  if (const Value* value = self.dict().Find(*key)) return *value;
  const Value* otherwise = arguments.Find(1, "default");
  return otherwise == nullptr ? Value() : *otherwise;
}

Value Copy(Runtime&, const Value& self, const Arguments&) { return self; }

Value CountIn(Runtime& runtime, const Value& self, const Arguments& arguments) {
  if (arguments.positional.size() != 1) throw TemplateError("count() takes exactly one argument");
  runtime.Step(static_cast<int64_t>(self.items().size()));
  return Value(int64_t{std::count_if(self.items().begin(), self.items().end(), [&](const auto& v) {
    return Equal(runtime, v, arguments.positional[0]);
  })});
}

Value IndexIn(Runtime& runtime, const Value& self, const Arguments& arguments) {
  if (arguments.positional.empty()) throw TemplateError("index expected at least 1 argument");
  runtime.Step(static_cast<int64_t>(self.items().size()));
  for (size_t i = 0; i < self.items().size(); ++i) {
    if (Equal(runtime, self.items()[i], arguments.positional[0]))
      return Value(static_cast<int64_t>(i));
  }
  throw TemplateError(Repr(arguments.positional[0]) + " is not in list");
}

Value Refuse(Runtime&, const Value& self, const Arguments&) {
  throw TemplateError("a template may not change a " + std::string(self.type_name()));
}

const MethodTable& DictMethods() {
  static const MethodTable methods = {
      {"keys", Keys},     {"values", ValuesOf},   {"items", Items},    {"get", Get},
      {"copy", Copy},     {"clear", Refuse},      {"pop", Refuse},     {"popitem", Refuse},
      {"update", Refuse}, {"setdefault", Refuse}, {"fromkeys", Refuse}};
  return methods;
}

const MethodTable& ListMethods() {
  static const MethodTable methods = {{"count", CountIn},  {"index", IndexIn}, {"copy", Copy},
                                      {"append", Refuse},  {"clear", Refuse},  {"extend", Refuse},
                                      {"insert", Refuse},  {"pop", Refuse},    {"remove", Refuse},
                                      {"reverse", Refuse}, {"sort", Refuse}};
  return methods;
}

const Method* FindMethod(const Value& self, const std::string& name) {
  const MethodTable* table = self.is_string() ? &StringMethods()
                             : self.is_dict() ? &DictMethods()
                             : self.is_list() ? &ListMethods()
                                              : nullptr;
  if (table == nullptr) return nullptr;
  const auto found = table->find(name);
  if (self.is_list() && self.tuple() && name != "count" && name != "index") return nullptr;
  return found == table->end() ? nullptr : &found->second;
}

}  // namespace

bool HasMethod(const Value& self, const std::string& name) {
  return FindMethod(self, name) != nullptr;
}

Value BindMethod(const Value& self, const std::string& name) {
  const Method method = *FindMethod(self, name);
  return MakeFunction(
      [self, method](Runtime& runtime, const Arguments& arguments) {
        if (self.is_string()) runtime.Charge(self.string().size());
        return method(runtime, self, arguments);
      },
      self.depth() + 1);
}

std::string StringArgument(const Arguments& arguments, size_t index, std::string_view name,
                           const std::string& otherwise) {
  const Value* value = arguments.Find(index, name);
  if (value == nullptr || value->is_none()) return otherwise;
  if (!value->is_string()) throw TemplateError("'" + std::string(name) + "' must be a string");
  return value->string();
}

int64_t IntArgument(const Arguments& arguments, size_t index, std::string_view name,
                    int64_t otherwise) {
  const Value* value = arguments.Find(index, name);
  if (value == nullptr || value->is_none()) return otherwise;
  if (!value->is_integral()) throw TemplateError("'" + std::string(name) + "' must be an integer");
  return value->integer();
}

bool BoolArgument(const Arguments& arguments, size_t index, std::string_view name, bool otherwise) {
  const Value* value = arguments.Find(index, name);
  return value == nullptr ? otherwise : value->truthy();
}

}  // namespace baton::text::jinja
