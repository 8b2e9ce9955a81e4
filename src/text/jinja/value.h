#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace baton::text::jinja {

/// A mistake of the template or its context. The one exception of this folder: evaluation nests too
/// deeply for a Result at each return. Parse and Render turn it into a Status at the door.
struct TemplateError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A rendering that wanted more than its limits.
struct LimitError : TemplateError {
  using TemplateError::TemplateError;
};

class Value;
class Runtime;
using Values = std::vector<Value>;

/// What a call passes, in order and by name.
struct Arguments {
  Values positional;
  std::vector<std::pair<std::string, Value>> named;

  /// The argument at `index` or named `name`; null when neither is there.
  const Value* Find(size_t index, std::string_view name) const;
};

/// A value with behaviour: a loop, a namespace, a macro, a bound method.
class Object {
 public:
  virtual ~Object() = default;
  /// Of the values that it keeps alive, so that chains of objects are bounded like nested lists.
  int depth() const { return depth_; }
  virtual std::string_view type() const = 0;
  virtual std::optional<Value> Attribute(const std::string& name) const;
  virtual void SetAttribute(const std::string& name, Value value);
  virtual bool callable() const { return false; }
  virtual Value Call(Runtime& runtime, const Arguments& arguments) const;

 protected:
  /// *Throws* LimitError when `depth` is beyond what can be destroyed safely.
  explicit Object(int depth = 0);

 private:
  const int depth_;
};

struct List {
  Values items;
  /// Prints with parentheses.
  bool tuple = false;
  /// Of nesting, 1 for a list of plain values.
  int depth = 1;
  /// A pair that groupby made: its items are also `grouper` and `list`.
  bool group = false;
};

/// Keeps the order in which keys were added.
class Dict {
 public:
  /// Replaces the value of a key that is there. REQUIRES: `key` is hashable, else TemplateError.
  void Set(const Value& key, Value value);
  const Value* Find(const Value& key) const;
  const Value* FindKey(std::string_view key) const;
  const std::vector<std::pair<Value, Value>>& items() const { return items_; }
  int depth() const { return depth_; }

 private:
  std::vector<std::pair<Value, Value>> items_;
  std::unordered_map<std::string, size_t> index_;
  int depth_ = 1;
};

/// A value with Python's meaning. Cheap to copy; immutable but for objects.
class Value {
 public:
  enum class Kind { kUndefined, kNone, kBool, kInt, kFloat, kString, kList, kDict, kObject };

  Value() : data_(None{}) {}
  Value(bool value) : data_(value) {}
  Value(int64_t value) : data_(value) {}
  Value(int value) : data_(int64_t{value}) {}
  Value(double value) : data_(value) {}
  Value(std::string value) : data_(std::make_shared<const std::string>(std::move(value))) {}
  Value(const char* value) : Value(std::string(value)) {}
  Value(std::string_view value) : Value(std::string(value)) {}
  Value(std::shared_ptr<const List> list) : data_(std::move(list)) {}
  Value(std::shared_ptr<const Dict> dict) : data_(std::move(dict)) {}
  Value(std::shared_ptr<Object> object) : data_(std::move(object)) {}

  /// A name or attribute that is not there; `why` is the error of using it.
  static Value Undefined(std::string why);
  /// *Throws* TemplateError when nested too deeply to be destroyed safely.
  static Value MakeList(Values items, bool tuple = false);
  static Value MakeGroup(Value grouper, Value list);
  static Value MakeDict(Dict dict);

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  bool is_undefined() const { return kind() == Kind::kUndefined; }
  bool is_none() const { return kind() == Kind::kNone; }
  bool is_string() const { return kind() == Kind::kString; }
  bool is_list() const { return kind() == Kind::kList; }
  bool is_dict() const { return kind() == Kind::kDict; }
  bool is_object() const { return kind() == Kind::kObject; }
  /// Python's int, of which True and False are instances.
  bool is_integral() const { return kind() == Kind::kInt || kind() == Kind::kBool; }
  bool is_number() const { return is_integral() || kind() == Kind::kFloat; }

  /// REQUIRES: the kind of the name.
  const std::string& string() const { return *std::get<std::shared_ptr<const std::string>>(data_); }
  const Values& items() const { return std::get<std::shared_ptr<const List>>(data_)->items; }
  bool tuple() const { return std::get<std::shared_ptr<const List>>(data_)->tuple; }
  bool group() const { return std::get<std::shared_ptr<const List>>(data_)->group; }
  const Dict& dict() const { return *std::get<std::shared_ptr<const Dict>>(data_); }
  const std::shared_ptr<Object>& object() const { return std::get<std::shared_ptr<Object>>(data_); }
  int64_t integer() const;
  double number() const;
  const std::string& why_undefined() const;

  bool truthy() const;
  int depth() const;
  /// Python's name of the type, for messages: "str", "dict".
  std::string_view type_name() const;

 private:
  struct None {};
  struct Missing {
    std::shared_ptr<const std::string> why;
  };
  std::variant<Missing, None, bool, int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const List>, std::shared_ptr<const Dict>, std::shared_ptr<Object>>
      data_;
};

inline constexpr int kMaxValueDepth = 200;

/// One more than the depth of the deepest item.
int DepthAround(const Values& items);

// These cost steps by the size of what they look at, before they make anything of it.
bool Equal(Runtime& runtime, const Value& a, const Value& b);
/// Negative, zero or positive. *Throws* TemplateError for types without an order.
int Compare(Runtime& runtime, const Value& a, const Value& b);
/// What a `for` goes through: items, keys, characters; nothing for undefined. *Throws* for others.
Values Iterate(Runtime& runtime, const Value& value);

}  // namespace baton::text::jinja
