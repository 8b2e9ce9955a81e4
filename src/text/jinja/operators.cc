#include "operators.h"

#include <algorithm>
#include <cmath>

#include "baton/text/utf8.h"
#include "format.h"
#include "methods.h"
#include "search.h"
#include "text_forms.h"

namespace baton::text::jinja {
namespace {

void RequireDefined(const Value& value) {
  if (value.is_undefined()) throw TemplateError(value.why_undefined());
}

[[noreturn]] void Unsupported(const std::string& op, const Value& a, const Value& b) {
  RequireDefined(a);
  RequireDefined(b);
  throw TemplateError("unsupported operand type(s) for " + op + ": '" + std::string(a.type_name()) +
                      "' and '" + std::string(b.type_name()) + "'");
}

int64_t FloorDivide(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

Value IntegerPower(int64_t base, int64_t exponent) {
  if (exponent < 0) return std::pow(static_cast<double>(base), static_cast<double>(exponent));
  int64_t result = 1;
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 == 1 && __builtin_mul_overflow(result, base, &result)) {
      throw TemplateError("integer overflow");
    }
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) {
      throw TemplateError("integer overflow");
    }
  }
  return result;
}

Value IntegerArithmetic(const std::string& op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  if (op == "+") {
    overflow = __builtin_add_overflow(a, b, &result);
  } else if (op == "-") {
    overflow = __builtin_sub_overflow(a, b, &result);
  } else if (op == "*") {
    overflow = __builtin_mul_overflow(a, b, &result);
  } else if (op == "**") {
    return IntegerPower(a, b);
  } else {
    if (b == 0) throw TemplateError("division by zero");
    if (op == "/") return static_cast<double>(a) / static_cast<double>(b);
    // The one quotient that does not fit is that of the least integer by -1.
    overflow = b == -1 && a == INT64_MIN;
    if (!overflow) result = op == "//" ? FloorDivide(a, b) : a - FloorDivide(a, b) * b;
  }
  if (overflow) throw TemplateError("integer overflow");
  return result;
}

Value FloatArithmetic(const std::string& op, double a, double b) {
  if (op == "+") return a + b;
  if (op == "-") return a - b;
  if (op == "*") return a * b;
  if (op == "**") return std::pow(a, b);
  if (b == 0) throw TemplateError("float division by zero");
  if (op == "/") return a / b;
  double remainder = std::fmod(a, b);
  double quotient = (a - remainder) / b;
  if (remainder != 0 && (remainder < 0) != (b < 0)) {
    remainder += b;
    quotient -= 1;
  }
  if (op == "%") return remainder != 0 ? remainder : std::copysign(0.0, b);
  if (quotient == 0) return std::copysign(0.0, a / b);
  // The quotient is whole but for its rounding.
  const double whole = std::floor(quotient);
  return quotient - whole > 0.5 ? whole + 1 : whole;
}

Value Repeat(Runtime& runtime, const Value& value, int64_t times) {
  times = std::max<int64_t>(times, 0);
  const size_t count = static_cast<size_t>(times);
  const size_t size = value.is_string() ? value.string().size() : value.items().size();
  if (size > 0 && count > runtime.limits().output_bytes / size) {
    throw LimitError("a repetition is too long");
  }
  runtime.Charge(size * count * (value.is_string() ? 1 : sizeof(Value)));
  if (value.is_string()) {
    std::string text;
    text.reserve(size * count);
    for (size_t i = 0; i < count; ++i) text += value.string();
    return text;
  }
  Values items;
  for (size_t i = 0; i < count; ++i) {
    items.insert(items.end(), value.items().begin(), value.items().end());
  }
  return Value::MakeList(std::move(items), value.tuple());
}

Value Missing(const Value& object, const std::string& name) {
  const std::string type = object.is_none() ? "None" : std::string(object.type_name()) + " object";
  return Value::Undefined("'" + type + "' has no attribute '" + name + "'");
}

/// Byte offsets of the characters of `text`, and its end.
std::vector<size_t> CharacterOffsets(const std::string& text) {
  std::vector<size_t> offsets;
  for (size_t at = 0; at < text.size();) {
    offsets.push_back(at);
    at += NextUtf8(std::string_view(text).substr(at)).bytes;
  }
  offsets.push_back(text.size());
  return offsets;
}

std::optional<int64_t> Bound(const Value& value) {
  if (value.is_none()) return std::nullopt;
  if (value.is_integral()) return value.integer();
  RequireDefined(value);
  throw TemplateError("slice indices must be integers or None");
}

/// The indices that a slice of `count` items visits.
std::vector<size_t> SliceIndices(int64_t count, const Value& start, const Value& stop,
                                 const Value& step_value) {
  const int64_t step = Bound(step_value).value_or(1);
  if (step == 0) throw TemplateError("slice step cannot be zero");
  const auto clamp = [&](const Value& value, int64_t otherwise) {
    const auto bound = Bound(value);
    if (!bound) return otherwise;
    const int64_t index = *bound < 0 ? std::max(*bound, -count - 1) + count : *bound;
    return std::clamp<int64_t>(index, step > 0 ? 0 : -1, step > 0 ? count : count - 1);
  };
  const int64_t first = clamp(start, step > 0 ? 0 : count - 1);
  const int64_t last = clamp(stop, step > 0 ? count : -1);
  std::vector<size_t> indices;
  for (int64_t i = first; step > 0 ? i < last : i > last;) {
    indices.push_back(static_cast<size_t>(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return indices;
}

}  // namespace

Value Arithmetic(Runtime& runtime, const std::string& op, const Value& a, const Value& b) {
  if (op == "~" || (op == "+" && a.is_string() && b.is_string())) {
    std::string text = Str(a) + Str(b);
    runtime.Charge(text.size());
    return text;
  }
  if (a.is_integral() && b.is_integral()) return IntegerArithmetic(op, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return FloatArithmetic(op, a.number(), b.number());
  if (op == "+" && a.is_list() && b.is_list() && a.tuple() == b.tuple()) {
    runtime.Charge((a.items().size() + b.items().size()) * sizeof(Value));
    Values items = a.items();
    items.insert(items.end(), b.items().begin(), b.items().end());
    return Value::MakeList(std::move(items), a.tuple());
  }
  if (op == "*" && (a.is_string() || a.is_list()) && b.is_integral()) {
    return Repeat(runtime, a, b.integer());
  }
  if (op == "*" && (b.is_string() || b.is_list()) && a.is_integral()) {
    return Repeat(runtime, b, a.integer());
  }
  if (op == "%" && a.is_string()) return FormatPercent(runtime, a.string(), b);
  Unsupported(op, a, b);
}

Value Negate(const Value& value) {
  if (value.is_integral()) return IntegerArithmetic("-", 0, value.integer());
  if (value.is_number()) return -value.number();
  RequireDefined(value);
  throw TemplateError("bad operand type for unary -: '" + std::string(value.type_name()) + "'");
}

bool Contains(Runtime& runtime, const Value& needle, const Value& haystack) {
  if (haystack.is_string()) {
    if (!needle.is_string()) {
      RequireDefined(needle);
      throw TemplateError("'in <string>' requires string as left operand, not " +
                          std::string(needle.type_name()));
    }
    runtime.Charge(haystack.string().size());
    return Find(haystack.string(), needle.string()) != std::string::npos;
  }
  if (haystack.is_dict()) return haystack.dict().Find(needle) != nullptr;
  if (haystack.is_undefined()) return false;
  if (haystack.is_list()) {
    runtime.Step(static_cast<int64_t>(haystack.items().size()));
    return std::any_of(haystack.items().begin(), haystack.items().end(),
                       [&](const Value& item) { return Equal(runtime, item, needle); });
  }
  throw TemplateError("argument of type '" + std::string(haystack.type_name()) +
                      "' is not iterable");
}

Value GetAttribute(const Value& object, const std::string& name) {
  RequireDefined(object);
  if (object.is_object()) {
    return object.object()->Attribute(name).value_or(Missing(object, name));
  }
  if (object.is_list() && object.group() && (name == "grouper" || name == "list")) {
    return object.items()[name == "list" ? 1 : 0];
  }
  if (HasMethod(object, name)) return BindMethod(object, name);
  if (object.is_dict()) {
    if (const Value* value = object.dict().FindKey(name)) return *value;
  }
  return Missing(object, name);
}

Value GetItem(Runtime& runtime, const Value& object, const Value& index) {
  RequireDefined(object);
  if (object.is_dict() && !index.is_list() && !index.is_dict() && !index.is_undefined()) {
    if (const Value* value = object.dict().Find(index)) return *value;
  }
  if (index.is_integral() && (object.is_list() || object.is_string())) {
    const int64_t count = Length(object);
    const int64_t at = index.integer() < 0 ? index.integer() + count : index.integer();
    if (at < 0 || at >= count) {
      return Value::Undefined(std::string(object.type_name()) + " object has no element " +
                              std::to_string(index.integer()));
    }
    if (object.is_list()) return object.items()[static_cast<size_t>(at)];
    return GetSlice(runtime, object, Value(at), Value(at + 1), Value());
  }
  if (index.is_string()) {
    const bool group = object.is_list() && object.group();
    if (object.is_object() || group) return GetAttribute(object, index.string());
    if (HasMethod(object, index.string())) return BindMethod(object, index.string());
  }
  return Missing(object, Str(index));
}

Value GetSlice(Runtime& runtime, const Value& object, const Value& start, const Value& stop,
               const Value& step) {
  RequireDefined(object);
  if (object.is_list()) {
    Values items;
    for (size_t i : SliceIndices(Length(object), start, stop, step)) {
      items.push_back(object.items()[i]);
    }
    runtime.Charge(items.size() * sizeof(Value));
    return Value::MakeList(std::move(items), object.tuple());
  }
  if (!object.is_string()) {
    throw TemplateError("'" + std::string(object.type_name()) + "' object is not subscriptable");
  }
  runtime.Charge(object.string().size() * 8);
  const std::vector<size_t> offsets = CharacterOffsets(object.string());
  std::string text;
  for (size_t i : SliceIndices(static_cast<int64_t>(offsets.size()) - 1, start, stop, step)) {
    text.append(object.string(), offsets[i], offsets[i + 1] - offsets[i]);
  }
  return text;
}

int64_t Length(const Value& value) {
  if (value.is_list()) return static_cast<int64_t>(value.items().size());
  if (value.is_dict()) return static_cast<int64_t>(value.dict().items().size());
  if (value.is_undefined()) return 0;
  if (!value.is_string()) {
    throw TemplateError("object of type '" + std::string(value.type_name()) + "' has no len()");
  }
  return std::count_if(value.string().begin(), value.string().end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

}  // namespace baton::text::jinja
