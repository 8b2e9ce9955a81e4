#include <map>

#include "../unicode.h"
#include "filters.h"
#include "operators.h"
#include "text_forms.h"

namespace baton::text::jinja {
namespace {

using Kind = Value::Kind;
using Test = bool (*)(Runtime&, const Value&, const Arguments&);

const Value& Other(const Arguments& arguments) {
  if (arguments.positional.empty()) throw TemplateError("the test needs an argument");
  return arguments.positional[0];
}

int64_t Integer(const Value& value) {
  if (!value.is_integral()) throw TemplateError("the test needs an integer");
  return value.integer();
}

template <Kind kind>
bool Is(Runtime&, const Value& value, const Arguments&) {
  return value.kind() == kind;
}

template <int low, int high>
bool Ordered(Runtime&, const Value& value, const Arguments& arguments) {
  const int order = Compare(value, Other(arguments));
  const int sign = order < 0 ? -1 : order > 0 ? 1 : 0;
  return sign >= low && sign <= high;
}

bool DivisibleBy(Runtime&, const Value& value, const Arguments& arguments) {
  const int64_t by = Integer(Other(arguments));
  if (by == 0) throw TemplateError("division by zero");
  return by == -1 || Integer(value) % by == 0;
}

bool IsIterable(Runtime&, const Value& value, const Arguments&) {
  return value.is_list() || value.is_dict() || value.is_string() || value.is_undefined();
}

const std::map<std::string, Test>& Tests() {
  static const std::map<std::string, Test> tests = [] {
    std::map<std::string, Test> all;
    all["undefined"] = Is<Kind::kUndefined>;
    all["defined"] = [](Runtime&, const Value& v, const Arguments&) { return !v.is_undefined(); };
    all["none"] = Is<Kind::kNone>;
    all["boolean"] = Is<Kind::kBool>;
    all["integer"] = Is<Kind::kInt>;
    all["float"] = Is<Kind::kFloat>;
    all["string"] = Is<Kind::kString>;
    all["mapping"] = Is<Kind::kDict>;
    all["number"] = [](Runtime&, const Value& v, const Arguments&) { return v.is_number(); };
    all["iterable"] = IsIterable;
    all["sequence"] = IsIterable;
    all["callable"] = [](Runtime&, const Value& v, const Arguments&) {
      return v.is_object() && v.object()->callable();
    };
    all["true"] = [](Runtime&, const Value& v, const Arguments&) {
      return v.kind() == Kind::kBool && v.truthy();
    };
    all["false"] = [](Runtime&, const Value& v, const Arguments&) {
      return v.kind() == Kind::kBool && !v.truthy();
    };
    all["odd"] = [](Runtime&, const Value& v, const Arguments&) { return Integer(v) % 2 != 0; };
    all["even"] = [](Runtime&, const Value& v, const Arguments&) { return Integer(v) % 2 == 0; };
    all["divisibleby"] = DivisibleBy;
    all["upper"] = [](Runtime&, const Value& v, const Arguments&) {
      const std::string text = Str(v);
      return text == ToUpper(text) && text != ToLower(text);
    };
    all["lower"] = [](Runtime&, const Value& v, const Arguments&) {
      const std::string text = Str(v);
      return text == ToLower(text) && text != ToUpper(text);
    };
    all["in"] = [](Runtime& runtime, const Value& v, const Arguments& arguments) {
      return Contains(runtime, v, Other(arguments));
    };
    all["sameas"] = [](Runtime&, const Value& v, const Arguments& arguments) {
      return v.kind() == Other(arguments).kind() && Equal(v, Other(arguments));
    };
    all["filter"] = [](Runtime&, const Value& v, const Arguments&) {
      return v.is_string() && FindFilter(v.string()) != nullptr;
    };
    all["test"] = [](Runtime&, const Value& v, const Arguments&) {
      return v.is_string() && HasTest(v.string());
    };
    for (const char* name : {"eq", "equalto", "=="}) {
      all[name] = [](Runtime&, const Value& v, const Arguments& arguments) {
        return Equal(v, Other(arguments));
      };
    }
    for (const char* name : {"ne", "!="}) {
      all[name] = [](Runtime&, const Value& v, const Arguments& arguments) {
        return !Equal(v, Other(arguments));
      };
    }
    for (const char* name : {"lt", "lessthan", "<"}) all[name] = Ordered<-1, -1>;
    for (const char* name : {"le", "<="}) all[name] = Ordered<-1, 0>;
    for (const char* name : {"gt", "greaterthan", ">"}) all[name] = Ordered<1, 1>;
    for (const char* name : {"ge", ">="}) all[name] = Ordered<0, 1>;
    return all;
  }();
  return tests;
}

}  // namespace

bool HasTest(const std::string& name) { return Tests().contains(name); }

bool ApplyTest(Runtime& runtime, const std::string& name, const Value& input,
               const Arguments& arguments) {
  const auto test = Tests().find(name);
  if (test == Tests().end()) throw TemplateError("No test named '" + name + "'.");
  return test->second(runtime, input, arguments);
}

}  // namespace baton::text::jinja
