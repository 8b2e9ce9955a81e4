#include <algorithm>
#include <functional>

#include "../unicode.h"
#include "filters.h"
#include "methods.h"
#include "operators.h"
#include "text_forms.h"

namespace baton::text::jinja {
namespace {

Values Items(Runtime& runtime, const Value& value) { return Iterate(runtime, value); }

Value LengthFilter(Runtime&, const Value& input, const Arguments&) { return Length(input); }

Value Default(Runtime&, const Value& input, const Arguments& arguments) {
  const Value* otherwise = arguments.Find(0, "default_value");
  const bool falsy_too = BoolArgument(arguments, 1, "boolean", false);
  if (!input.is_undefined() && !(falsy_too && !input.truthy())) return input;
  return otherwise == nullptr ? Value("") : *otherwise;
}

Value First(Runtime& runtime, const Value& input, const Arguments&) {
  const Values items = Items(runtime, input);
  return items.empty() ? Value::Undefined("No first item, sequence was empty.") : items.front();
}

Value Last(Runtime& runtime, const Value& input, const Arguments&) {
  const Values items = Items(runtime, input);
  return items.empty() ? Value::Undefined("No last item, sequence was empty.") : items.back();
}

Value ListFilter(Runtime& runtime, const Value& input, const Arguments&) {
  return Value::MakeList(Items(runtime, input));
}

Value ItemsFilter(Runtime& runtime, const Value& input, const Arguments&) {
  if (input.is_undefined()) return Value::MakeList({});
  if (!input.is_dict()) throw TemplateError("Can only get item pairs from a mapping.");
  Values pairs;
  for (const auto& [key, value] : input.dict().items()) {
    pairs.push_back(Value::MakeList({key, value}, true));
  }
  runtime.Charge(pairs.size() * sizeof(Value));
  return Value::MakeList(std::move(pairs));
}

/// `attribute` of a filter: a name, or several with dots, or a position.
Value Pluck(Runtime& runtime, const Value& value, const Value* attribute,
            const Value* otherwise = nullptr) {
  if (attribute == nullptr || attribute->is_none()) return value;
  const auto item = [&](const Value& object, const Value& key) {
    Value found = GetItem(runtime, object, key);
    return found.is_undefined() && otherwise != nullptr ? *otherwise : found;
  };
  if (!attribute->is_string()) return item(value, *attribute);
  Value at = value;
  const std::string& path = attribute->string();
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('.', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    const bool number =
        !part.empty() && part.size() < 10 &&
        std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    at = item(at, number ? Value(std::stoi(part)) : Value(part));
    begin = end + 1;
  }
  return at;
}

Value Join(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Value* with = arguments.Find(0, "d");
  const std::string separator = with == nullptr ? "" : Str(*with);
  std::string text;
  bool first = true;
  for (const Value& item : Items(runtime, input)) {
    if (!first) text += separator;
    first = false;
    const std::string piece = Str(Pluck(runtime, item, arguments.Find(1, "attribute")));
    text += piece;
    runtime.Charge(separator.size() + piece.size());
  }
  return text;
}

Value Reverse(Runtime& runtime, const Value& input, const Arguments&) {
  Values items = Items(runtime, input);
  std::reverse(items.begin(), items.end());
  if (!input.is_string()) return Value::MakeList(std::move(items));
  std::string text;
  for (const Value& item : items) text += item.string();
  return text;
}

/// Strings compare without case unless asked.
Value Folded(const Value& value, bool case_sensitive) {
  return value.is_string() && !case_sensitive ? Value(ToLower(value.string())) : value;
}

/// `attribute` of sort: several with commas between. A list of as many values.
Value PluckAll(Runtime& runtime, const Value& value, const Value* attribute, bool case_sensitive) {
  Values parts;
  if (attribute == nullptr || !attribute->is_string()) {
    parts.push_back(Folded(Pluck(runtime, value, attribute), case_sensitive));
    return Value::MakeList(std::move(parts));
  }
  const std::string& names = attribute->string();
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find(',', begin), names.size());
    const Value name(names.substr(begin, end - begin));
    parts.push_back(Folded(Pluck(runtime, value, &name), case_sensitive));
    begin = end + 1;
  }
  return Value::MakeList(std::move(parts));
}

Value Sort(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const bool reverse = BoolArgument(arguments, 0, "reverse", false);
  const bool case_sensitive = BoolArgument(arguments, 1, "case_sensitive", false);
  const Value* attribute = arguments.Find(2, "attribute");
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : Items(runtime, input)) {
    keyed.emplace_back(PluckAll(runtime, item, attribute, case_sensitive), item);
  }
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    runtime.Step();
    return reverse ? Compare(runtime, b.first, a.first) < 0
                   : Compare(runtime, a.first, b.first) < 0;
  });
  Values items;
  for (auto& [key, item] : keyed) items.push_back(std::move(item));
  return Value::MakeList(std::move(items));
}

Value DictSort(Runtime& runtime, const Value& input, const Arguments& arguments) {
  if (!input.is_dict()) throw TemplateError("dictsort needs a mapping");
  const bool case_sensitive = BoolArgument(arguments, 0, "case_sensitive", false);
  const std::string by = StringArgument(arguments, 1, "by", "key");
  if (by != "key" && by != "value") throw TemplateError("dictsort is by key or by value");
  const size_t part = by == "value" ? 1 : 0;
  const bool reverse = BoolArgument(arguments, 2, "reverse", false);
  Values pairs = ItemsFilter(runtime, input, {}).items();
  std::stable_sort(pairs.begin(), pairs.end(), [&](const Value& a, const Value& b) {
    runtime.Step();
    const int order = Compare(runtime, Folded(a.items()[part], case_sensitive),
                              Folded(b.items()[part], case_sensitive));
    return reverse ? order > 0 : order < 0;
  });
  return Value::MakeList(std::move(pairs));
}

Value Unique(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const bool case_sensitive = BoolArgument(arguments, 0, "case_sensitive", false);
  Dict seen;
  Values items;
  for (const Value& item : Items(runtime, input)) {
    const Value key = Folded(Pluck(runtime, item, arguments.Find(1, "attribute")), case_sensitive);
    if (seen.Find(key) != nullptr) continue;
    seen.Set(key, Value(true));
    items.push_back(item);
  }
  return Value::MakeList(std::move(items));
}

Value Sum(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Value* start = arguments.Find(1, "start");
  Value sum = start == nullptr ? Value(0) : *start;
  for (const Value& item : Items(runtime, input)) {
    sum = Arithmetic(runtime, "+", sum, Pluck(runtime, item, arguments.Find(0, "attribute")));
  }
  return sum;
}

template <bool greatest>
Value Extreme(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const bool case_sensitive = BoolArgument(arguments, 0, "case_sensitive", false);
  const Value* attribute = arguments.Find(1, "attribute");
  const Values items = Items(runtime, input);
  if (items.empty()) return Value::Undefined("No aggregated item, sequence was empty.");
  const auto less = [&](const Value& a, const Value& b) {
    return Compare(runtime, Folded(Pluck(runtime, a, attribute), case_sensitive),
                   Folded(Pluck(runtime, b, attribute), case_sensitive)) < 0;
  };
  const auto more = [&](const Value& a, const Value& b) { return less(b, a); };
  return greatest ? *std::min_element(items.begin(), items.end(), more)
                  : *std::min_element(items.begin(), items.end(), less);
}

Value Map(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Value* attribute = arguments.positional.empty() ? arguments.Find(0, "attribute") : nullptr;
  const Value* otherwise = arguments.Find(SIZE_MAX, "default");
  Filter filter = nullptr;
  Arguments rest = arguments;
  if (attribute == nullptr) {
    if (arguments.positional.empty()) throw TemplateError("map requires a filter argument");
    const std::string name = StringArgument(arguments, 0, "filter", "");
    filter = FindFilter(name);
    if (filter == nullptr) throw TemplateError("No filter named '" + name + "'.");
    rest.positional.erase(rest.positional.begin());
  }
  Values items;
  if (!input.truthy()) return Value::MakeList({});
  for (const Value& item : Items(runtime, input)) {
    items.push_back(filter != nullptr ? filter(runtime, item, rest)
                                      : Pluck(runtime, item, attribute, otherwise));
  }
  return Value::MakeList(std::move(items));
}

/// select, reject and their forms by attribute.
template <bool keep, bool by_attribute>
Value Select(Runtime& runtime, const Value& input, const Arguments& arguments) {
  Arguments rest = arguments;
  const auto take = [&] {
    Value first = rest.positional.front();
    rest.positional.erase(rest.positional.begin());
    return first;
  };
  Value attribute;
  if (by_attribute) {
    if (rest.positional.empty()) throw TemplateError("Missing parameter for attribute name");
    attribute = take();
  }
  std::string test;
  if (!rest.positional.empty()) {
    const Value name = take();
    if (!name.is_string()) throw TemplateError("the name of a test must be a string");
    test = name.string();
  }
  Values items;
  if (!input.truthy()) return Value::MakeList({});
  for (const Value& item : Items(runtime, input)) {
    const Value subject = Pluck(runtime, item, by_attribute ? &attribute : nullptr);
    const bool passes = test.empty() ? subject.truthy() : ApplyTest(runtime, test, subject, rest);
    if (passes == keep) items.push_back(item);
  }
  return Value::MakeList(std::move(items));
}

Value GroupBy(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const Value* attribute = arguments.Find(0, "attribute");
  if (attribute == nullptr) throw TemplateError("groupby requires an attribute");
  const bool case_sensitive = BoolArgument(arguments, 2, "case_sensitive", false);
  const Value* otherwise = arguments.Find(1, "default");
  const auto key_of = [&](const Value& item) { return Pluck(runtime, item, attribute, otherwise); };
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : Items(runtime, input)) keyed.emplace_back(key_of(item), item);
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    runtime.Step();
    return Compare(runtime, Folded(a.first, case_sensitive), Folded(b.first, case_sensitive)) < 0;
  });
  Values groups;
  for (size_t begin = 0; begin < keyed.size();) {
    const Value& key = keyed[begin].first;
    Values members;
    size_t end = begin;
    while (end < keyed.size() &&
           Equal(runtime, Folded(keyed[end].first, case_sensitive), Folded(key, case_sensitive))) {
      members.push_back(keyed[end++].second);
    }
    groups.push_back(Value::MakeGroup(key, Value::MakeList(std::move(members))));
    begin = end;
  }
  return Value::MakeList(std::move(groups));
}

Value Batch(Runtime& runtime, const Value& input, const Arguments& arguments) {
  const int64_t size = IntArgument(arguments, 0, "linecount", 0);
  if (size < 1) throw TemplateError("batch needs a positive count");
  const Value* fill = arguments.Find(1, "fill_with");
  Values batches;
  Values batch;
  for (const Value& item : Items(runtime, input)) {
    if (static_cast<int64_t>(batch.size()) == size) {
      batches.push_back(Value::MakeList(std::exchange(batch, {})));
    }
    batch.push_back(item);
  }
  if (!batch.empty()) {
    runtime.Charge(fill != nullptr ? static_cast<size_t>(size) * sizeof(Value) : 0);
    if (fill != nullptr) batch.resize(static_cast<size_t>(size), *fill);
    batches.push_back(Value::MakeList(std::move(batch)));
  }
  return Value::MakeList(std::move(batches));
}

Value Attr(Runtime&, const Value& input, const Arguments& arguments) {
  const std::string name = StringArgument(arguments, 0, "name", "");
  // Attributes only, no keys.
  if (input.is_dict() && !HasMethod(input, name)) {
    return Value::Undefined("'dict object' has no attribute '" + name + "'");
  }
  return GetAttribute(input, name);
}

}  // namespace

const FilterTable& SequenceFilters() {
  static const FilterTable filters = {{"length", LengthFilter},
                                      {"count", LengthFilter},
                                      {"default", Default},
                                      {"d", Default},
                                      {"first", First},
                                      {"last", Last},
                                      {"list", ListFilter},
                                      {"items", ItemsFilter},
                                      {"join", Join},
                                      {"reverse", Reverse},
                                      {"sort", Sort},
                                      {"dictsort", DictSort},
                                      {"unique", Unique},
                                      {"sum", Sum},
                                      {"min", Extreme<false>},
                                      {"max", Extreme<true>},
                                      {"map", Map},
                                      {"select", Select<true, false>},
                                      {"reject", Select<false, false>},
                                      {"selectattr", Select<true, true>},
                                      {"rejectattr", Select<false, true>},
                                      {"groupby", GroupBy},
                                      {"batch", Batch},
                                      {"attr", Attr}};
  return filters;
}

Filter FindFilter(const std::string& name) {
  for (const FilterTable* table : {&TextFilters(), &SequenceFilters(), &LayoutFilters()}) {
    if (const auto found = table->find(name); found != table->end()) return found->second;
  }
  return nullptr;
}

}  // namespace baton::text::jinja
