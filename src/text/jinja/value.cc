#include "value.h"

#include <algorithm>
#include <bit>

#include "baton/text/utf8.h"
#include "runtime.h"

namespace baton::text::jinja {
namespace {

/// Equal for keys that Python holds equal.
std::string HashKey(const Value& key) {
  switch (key.kind()) {
    case Value::Kind::kString: return "s" + key.string();
    case Value::Kind::kBool:
    case Value::Kind::kInt: return "i" + std::to_string(key.integer());
    case Value::Kind::kFloat: {
      const double number = key.number();
      const bool whole = number >= -9e18 && number <= 9e18 &&
                         number == static_cast<double>(static_cast<int64_t>(number));
      return whole ? "i" + std::to_string(static_cast<int64_t>(number))
                   : "f" + std::to_string(std::bit_cast<uint64_t>(number));
    }
    case Value::Kind::kNone: return "n";
    case Value::Kind::kUndefined: return "u";
    case Value::Kind::kObject: {
      return "o" + std::to_string(reinterpret_cast<uintptr_t>(key.object().get()));
    }
    case Value::Kind::kList: {
      if (!key.tuple()) break;
      std::string all = "t";
      for (const Value& item : key.items()) {
        const std::string part = HashKey(item);
        all += std::to_string(part.size()) + ":" + part;
        if (all.size() > (size_t{1} << 20)) throw LimitError("a key is too long");
      }
      return all;
    }
    default: break;
  }
  throw TemplateError("unhashable type: '" + std::string(key.type_name()) + "'");
}

}  // namespace

const Value* Arguments::Find(size_t index, std::string_view name) const {
  if (index < positional.size()) return &positional[index];
  for (const auto& [key, value] : named) {
    if (key == name) return &value;
  }
  return nullptr;
}

Object::Object(int depth) : depth_(depth) {
  if (depth > kMaxValueDepth) throw LimitError("values nest too deeply");
}

std::optional<Value> Object::Attribute(const std::string&) const { return std::nullopt; }

void Object::SetAttribute(const std::string& name, Value) {
  throw TemplateError("cannot assign attribute '" + name + "' on a " + std::string(type()));
}

Value Object::Call(Runtime&, const Arguments&) const {
  throw TemplateError("'" + std::string(type()) + "' object is not callable");
}

void Dict::Set(const Value& key, Value value) {
  depth_ = std::max(depth_, value.depth() + 1);
  const auto [at, added] = index_.try_emplace(HashKey(key), items_.size());
  if (added) {
    items_.emplace_back(key, std::move(value));
  } else {
    items_[at->second].second = std::move(value);
  }
}

const Value* Dict::Find(const Value& key) const {
  const auto at = index_.find(HashKey(key));
  return at == index_.end() ? nullptr : &items_[at->second].second;
}

const Value* Dict::FindKey(std::string_view key) const {
  const auto at = index_.find("s" + std::string(key));
  return at == index_.end() ? nullptr : &items_[at->second].second;
}

Value Value::Undefined(std::string why) {
  Value value;
  value.data_ = Missing{std::make_shared<const std::string>(std::move(why))};
  return value;
}

int DepthAround(const Values& items) {
  int depth = 1;
  for (const Value& item : items) depth = std::max(depth, item.depth() + 1);
  return depth;
}

Value Value::MakeList(Values items, bool tuple) {
  const int depth = DepthAround(items);
  if (depth > kMaxValueDepth) throw LimitError("values nest too deeply");
  return Value(std::make_shared<const List>(List{std::move(items), tuple, depth}));
}

Value Value::MakeGroup(Value grouper, Value list) {
  Values items = {std::move(grouper), std::move(list)};
  const int depth = DepthAround(items);
  if (depth > kMaxValueDepth) throw LimitError("values nest too deeply");
  return Value(std::make_shared<const List>(List{std::move(items), true, depth, true}));
}

Value Value::MakeDict(Dict dict) {
  if (dict.depth() > kMaxValueDepth) throw LimitError("values nest too deeply");
  return Value(std::make_shared<const Dict>(std::move(dict)));
}

int64_t Value::integer() const {
  if (const bool* flag = std::get_if<bool>(&data_)) return *flag ? 1 : 0;
  return std::get<int64_t>(data_);
}

double Value::number() const {
  if (const double* number = std::get_if<double>(&data_)) return *number;
  return static_cast<double>(integer());
}

const std::string& Value::why_undefined() const { return *std::get<Missing>(data_).why; }

bool Value::truthy() const {
  switch (kind()) {
    case Kind::kUndefined:
    case Kind::kNone: return false;
    case Kind::kBool:
    case Kind::kInt: return integer() != 0;
    case Kind::kFloat: return number() != 0;
    case Kind::kString: return !string().empty();
    case Kind::kList: return !items().empty();
    case Kind::kDict: return !dict().items().empty();
    case Kind::kObject: return true;
  }
  return false;
}

int Value::depth() const {
  if (is_list()) return std::get<std::shared_ptr<const List>>(data_)->depth;
  if (is_object()) return object()->depth();
  return is_dict() ? dict().depth() : 0;
}

std::string_view Value::type_name() const {
  switch (kind()) {
    case Kind::kUndefined: return "Undefined";
    case Kind::kNone: return "NoneType";
    case Kind::kBool: return "bool";
    case Kind::kInt: return "int";
    case Kind::kFloat: return "float";
    case Kind::kString: return "str";
    case Kind::kList: return tuple() ? "tuple" : "list";
    case Kind::kDict: return "dict";
    case Kind::kObject: return object()->type();
  }
  return "?";
}

bool Equal(Runtime& runtime, const Value& a, const Value& b) {
  runtime.Step();
  if (a.is_integral() && b.is_integral()) return a.integer() == b.integer();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.kind() != b.kind()) return false;
  const auto equal = [&](const Value& x, const Value& y) { return Equal(runtime, x, y); };
  switch (a.kind()) {
    case Value::Kind::kString:
      if (a.string().size() != b.string().size()) return false;
      runtime.Charge(a.string().size());
      return a.string() == b.string();
    case Value::Kind::kList:
      return a.tuple() == b.tuple() && std::equal(a.items().begin(), a.items().end(),
                                                  b.items().begin(), b.items().end(), equal);
    case Value::Kind::kDict:
      return a.dict().items().size() == b.dict().items().size() &&
             std::all_of(a.dict().items().begin(), a.dict().items().end(), [&](const auto& item) {
               const Value* other = b.dict().Find(item.first);
               return other != nullptr && equal(item.second, *other);
             });
    case Value::Kind::kObject: return a.object() == b.object();
    default: return true;
  }
}

int Compare(Runtime& runtime, const Value& a, const Value& b) {
  runtime.Step();
  const auto sign = [](auto x, auto y) { return x < y ? -1 : (y < x ? 1 : 0); };
  if (a.is_integral() && b.is_integral()) return sign(a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return sign(a.number(), b.number());
  if (a.is_string() && b.is_string()) {
    runtime.Charge(std::min(a.string().size(), b.string().size()));
    return a.string().compare(b.string());
  }
  if (a.is_list() && b.is_list() && a.tuple() == b.tuple()) {
    const size_t common = std::min(a.items().size(), b.items().size());
    for (size_t i = 0; i < common; ++i) {
      if (!Equal(runtime, a.items()[i], b.items()[i])) {
        return Compare(runtime, a.items()[i], b.items()[i]);
      }
    }
    return sign(a.items().size(), b.items().size());
  }
  for (const Value* value : {&a, &b}) {
    if (value->is_undefined()) throw TemplateError(value->why_undefined());
  }
  throw TemplateError("no order between '" + std::string(a.type_name()) + "' and '" +
                      std::string(b.type_name()) + "'");
}

Values Iterate(Runtime& runtime, const Value& value) {
  if (value.is_list()) {
    runtime.Step(static_cast<int64_t>(value.items().size()));
    return value.items();
  }
  Values items;
  if (value.is_undefined()) return items;
  if (value.is_dict()) {
    runtime.Step(static_cast<int64_t>(value.dict().items().size()));
    for (const auto& [key, item] : value.dict().items()) items.push_back(key);
    return items;
  }
  if (!value.is_string()) {
    throw TemplateError("'" + std::string(value.type_name()) + "' object is not iterable");
  }
  // Each character becomes a value with a text of its own.
  runtime.Step(static_cast<int64_t>(value.string().size()) * 2);
  for (std::string_view rest = value.string(); !rest.empty();) {
    const size_t bytes = NextUtf8(rest).bytes;
    items.emplace_back(rest.substr(0, bytes));
    rest.remove_prefix(bytes);
  }
  return items;
}

}  // namespace baton::text::jinja
