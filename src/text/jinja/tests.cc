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

/// value % by == rest, for integers and floats.
bool HasRest(Runtime& runtime, const Value& value, const Value& by, const Value& rest) {
  if (!value.is_number()) throw TemplateError("the test needs a number");
  return Equal(runtime, Arithmetic(runtime, "%", value, by), rest);
}

template <Kind kind>
bool Is(Runtime&, const Value& value, const Arguments&) {
  return value.kind() == kind;
}

template <int low, int high>
bool Ordered(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const int order = Compare(runtime, value, Other(arguments));
  const int sign = order < 0 ? -1 : order > 0 ? 1 : 0;
  return sign >= low && sign <= high;
}

bool DivisibleBy(Runtime& runtime, const Value& value, const Arguments& arguments) {
  const Value& by = Other(arguments);
  return Equal(runtime, by, Value(-1)) ? HasRest(runtime, value, Value(1), Value(0))
                                       : HasRest(runtime, value, by, Value(0));
}

void RequireHashable(const Value& value) {
  if (value.is_dict() || (value.is_list() && !value.tuple())) {
    throw TemplateError("unhashable type: '" + std::string(value.type_name()) + "'");
  }
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
    // Escaped text is plain text here.
    all["escaped"] = [](Runtime&, const Value&, const Arguments&) { return false; };
    all["iterable"] = IsIterable;
    all["sequence"] = IsIterable;
    all["callable"] = [](Runtime&, const Value& v, const Arguments&) {
      return v.is_undefined() || (v.is_object() && v.object()->callable());
    };
    all["true"] = [](Runtime&, const Value& v, const Arguments&) {
      return v.kind() == Kind::kBool && v.truthy();
    };
    all["false"] = [](Runtime&, const Value& v, const Arguments&) {
      return v.kind() == Kind::kBool && !v.truthy();
    };
    all["odd"] = [](Runtime& runtime, const Value& v, const Arguments&) {
      return HasRest(runtime, v, Value(2), Value(1));
    };
    all["even"] = [](Runtime& runtime, const Value& v, const Arguments&) {
      return HasRest(runtime, v, Value(2), Value(0));
    };
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
    all["sameas"] = [](Runtime& runtime, const Value& v, const Arguments& arguments) {
      return v.kind() == Other(arguments).kind() && Equal(runtime, v, Other(arguments));
    };
    all["filter"] = [](Runtime&, const Value& v, const Arguments&) {
      RequireHashable(v);
      return v.is_string() && FindFilter(v.string()) != nullptr;
    };
    all["test"] = [](Runtime&, const Value& v, const Arguments&) {
      RequireHashable(v);
      return v.is_string() && HasTest(v.string());
    };
    for (const char* name : {"eq", "equalto", "=="}) {
      all[name] = [](Runtime& runtime, const Value& v, const Arguments& arguments) {
        return Equal(runtime, v, Other(arguments));
      };
    }
    for (const char* name : {"ne", "!="}) {
      all[name] = [](Runtime& runtime, const Value& v, const Arguments& arguments) {
        return !Equal(runtime, v, Other(arguments));
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
