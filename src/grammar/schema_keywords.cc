#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "schema_reader.h"
#include "string_formats.h"

namespace baton::grammar {
namespace {

/// Keywords that change which values are valid, and that are not enforced.
constexpr std::array<std::string_view, 19> kUnsupported = {"not",           "if",
                                                           "contains",      "dependencies",
                                                           "$dynamicRef",   "dependentRequired",
                                                           "$recursiveRef", "dependentSchemas",
                                                           "propertyNames", "patternProperties",
                                                           "extends",       "unevaluatedItems",
                                                           "disallow",      "unevaluatedProperties",
                                                           "divisibleBy",   "$recursiveAnchor",
                                                           "multipleOf",    "uniqueItems",
                                                           "$vocabulary"};

/// Reads one schema's keywords into a shape.
class KeywordReader {
 public:
  KeywordReader(const Subschema& schema, const SchemaOptions& options, SchemaShape& shape)
      : json_(*schema.schema), place_(schema.place), options_(options), shape_(shape) {}

  Status Run() {
    BATON_RETURN_IF_ERROR(RefuseUnsupported());
    BATON_RETURN_IF_ERROR(ReadTypes());
    BATON_RETURN_IF_ERROR(ReadValues());
    BATON_RETURN_IF_ERROR(ReadNumbers());
    BATON_RETURN_IF_ERROR(ReadStrings());
    BATON_RETURN_IF_ERROR(ReadArrays());
    return ReadObjects();
  }

 private:
  const Json* Find(const char* keyword) const {
    const auto found = json_.find(keyword);
    return found == json_.end() ? nullptr : &*found;
  }
  Subschema Below(const Json& schema, std::string_view keyword) const {
    return {&schema, PlaceBelow(place_, keyword)};
  }
  Status Error(std::string_view keyword, const std::string& what) const {
    return SchemaError(PlaceBelow(place_, keyword), what);
  }

  Status RefuseUnsupported() const {
    for (const std::string_view keyword : kUnsupported) {
      const Json* value = Find(std::string(keyword).c_str());
      if (value == nullptr || SaysNothing(keyword, *value)) continue;
      return Error(keyword, "this keyword is not supported");
    }
    return OkStatus();
  }

  /// Whether the keyword, with this value, excludes nothing.
  bool SaysNothing(std::string_view keyword, const Json& value) const {
    if (keyword == "uniqueItems") {
      const Json* most = Find("maxItems");
      const bool one = most != nullptr && most->is_number_integer() && *most <= 1;
      return value == false || one;
    }
    if (keyword == "multipleOf") return value == 1 && OnlyIntegers();
    if (keyword.starts_with("dependent") || keyword == "dependencies" ||
        keyword == "patternProperties") {
      return value.is_object() && value.empty();
    }
    if (keyword.starts_with("unevaluated") || keyword == "propertyNames") return IsTrue(value);
    return false;
  }
  bool OnlyIntegers() const {
    const Json* type = Find("type");
    return type != nullptr && *type == "integer";
  }
  static bool IsTrue(const Json& schema) {
    return schema == true || (schema.is_object() && schema.empty());
  }

  static uint32_t TypeNamed(const Json& name) {
    static const std::pair<std::string_view, uint32_t> kNames[] = {
        {"null", kNull},     {"boolean", kBoolean}, {"integer", kInteger},
        {"string", kString}, {"array", kArray},     {"number", kInteger | kFraction},
        {"object", kObject}};
    if (!name.is_string()) return 0;
    for (const auto& [known, type] : kNames) {
      if (name.get_ref<const std::string&>() == known) return type;
    }
    return 0;
  }

  Status ReadTypes() {
    const Json* type = Find("type");
    if (type == nullptr) return OkStatus();
    uint32_t types = 0;
    if (type->is_array()) {
      for (const Json& one : *type) {
        if (TypeNamed(one) == 0) return Error("type", "there is no type " + one.dump());
        types |= TypeNamed(one);
      }
    } else if ((types = TypeNamed(*type)) == 0) {
      return Error("type", "there is no type " + type->dump());
    }
    shape_.types &= types;
    shape_.types_given = true;
    return OkStatus();
  }

  Status ReadValues() {
    if (const Json* value = Find("const")) KeepValues({value});
    const Json* list = Find("enum");
    if (list == nullptr) return OkStatus();
    if (!list->is_array()) return Error("enum", "expected an array");
    std::vector<const Json*> values;
    for (const Json& value : *list) values.push_back(&value);
    KeepValues(std::move(values));
    return OkStatus();
  }

  void KeepValues(std::vector<const Json*> values) {
    if (shape_.values) {
      std::erase_if(values, [&](const Json* value) {
        return std::none_of(shape_.values->begin(), shape_.values->end(),
                            [&](const Json* other) { return *value == *other; });
      });
    }
    shape_.values = std::move(values);
  }

  Status ReadNumbers() {
    BATON_RETURN_IF_ERROR(ReadBound("minimum", false, 1, shape_.numbers.min));
    BATON_RETURN_IF_ERROR(ReadBound("exclusiveMinimum", true, 1, shape_.numbers.min));
    BATON_RETURN_IF_ERROR(ReadBound("maximum", false, -1, shape_.numbers.max));
    return ReadBound("exclusiveMaximum", true, -1, shape_.numbers.max);
  }

  /// Keeps the tighter bound: `sign` is 1 where the greater one is.
  Status ReadBound(const char* keyword, bool exclusive, int sign, std::optional<Bound>& bound) {
    const Json* value = Find(keyword);
    if (value == nullptr) return OkStatus();
    if (!value->is_number()) return Error(keyword, "expected a number");
    const auto decimal = Decimal::Parse(value->dump());
    if (!decimal) return Error(keyword, "the bound has too many digits");
    if (exclusive && decimal->whole.size() > 15) {
      return Error(keyword, "the bound has too many digits");
    }
    shape_.types_meant |= kInteger | kFraction;
    const int order = bound ? sign * Compare(*decimal, bound->value) : 1;
    if (order > 0) bound = Bound{*decimal, exclusive};
    if (order == 0) bound->exclusive |= exclusive;
    return OkStatus();
  }

  /// A count that may be written as 2.0. Nothing where the keyword is absent.
  Result<std::optional<int64_t>> ReadCount(const char* keyword, uint32_t type) {
    const Json* value = Find(keyword);
    if (value == nullptr) return std::optional<int64_t>();
    const auto decimal = value->is_number() ? Decimal::Parse(value->dump()) : std::nullopt;
    if (!decimal || decimal->negative || !decimal->fraction.empty()) {
      return Error(keyword, "expected a number of things");
    }
    const int most = options_.grammar.repetitions;
    const bool upper = std::string_view(keyword).starts_with("max");
    const bool beyond = decimal->whole.size() > 9 || value->get<int64_t>() > most;
    // An upper bound may be lowered: what remains is valid.
    if (beyond && !upper) {
      return Error(keyword, "greater than the limit of " + std::to_string(most));
    }
    shape_.types_meant |= type;
    return std::optional<int64_t>(beyond ? most : value->get<int64_t>());
  }

  Status ReadRange(const std::pair<const char*, const char*>& keywords, uint32_t type, int64_t& min,
                   std::optional<int64_t>& max) {
    BATON_ASSIGN_OR_RETURN(const auto least, ReadCount(keywords.first, type));
    BATON_ASSIGN_OR_RETURN(const auto most, ReadCount(keywords.second, type));
    if (least) min = std::max(min, *least);
    if (most) max = std::min(max.value_or(*most), *most);
    return OkStatus();
  }

  Status ReadStrings() {
    BATON_RETURN_IF_ERROR(
        ReadRange({"minLength", "maxLength"}, kString, shape_.min_length, shape_.max_length));
    if (const Json* pattern = Find("pattern")) {
      if (!pattern->is_string()) return Error("pattern", "expected a string");
      AddPattern(pattern->get<std::string>(), "pattern");
    }
    const Json* format = Find("format");
    if (format == nullptr) return OkStatus();
    if (!format->is_string()) return Error("format", "expected a string");
    const std::string& name = format->get_ref<const std::string&>();
    if (IsStorageFormat(name)) return OkStatus();
    const std::string_view pattern = PatternOfFormat(name);
    if (pattern.empty()) return Error("format", "the format '" + name + "' is not supported");
    AddPattern("^(" + std::string(pattern) + ")$", "format");
    return OkStatus();
  }

  void AddPattern(std::string regex, std::string_view keyword) {
    shape_.types_meant |= kString;
    const bool known = std::any_of(shape_.patterns.begin(), shape_.patterns.end(),
                                   [&](const auto& other) { return other.regex == regex; });
    if (!known) shape_.patterns.push_back({std::move(regex), PlaceBelow(place_, keyword)});
  }

  Status ReadArrays() {
    BATON_RETURN_IF_ERROR(
        ReadRange({"minItems", "maxItems"}, kArray, shape_.min_items, shape_.max_items));
    const Json* items = Find("items");
    const Json* prefix = Find("prefixItems");
    const char* keyword = "prefixItems";
    SchemaShape::Array array;
    // Before 2020-12 a list of items was what prefixItems is now, and additionalItems its rest.
    if (items != nullptr && items->is_array()) {
      prefix = items;
      keyword = "items";
      const Json* rest = Find("additionalItems");
      if (rest != nullptr) array.items = Below(*rest, "additionalItems");
    } else if (items != nullptr) {
      array.items = Below(*items, "items");
    }
    if (prefix != nullptr) {
      if (!prefix->is_array()) return Error(keyword, "expected an array");
      if (prefix->size() > options_.properties_of_one_object) {
        return Error(keyword, "more items than the limit of " +
                                  std::to_string(options_.properties_of_one_object));
      }
      for (size_t i = 0; i < prefix->size(); ++i) {
        array.prefix.push_back(
            {&(*prefix)[i], PlaceBelow(PlaceBelow(place_, keyword), std::to_string(i))});
      }
    }
    if (items == nullptr && prefix == nullptr) return OkStatus();
    shape_.types_meant |= kArray;
    shape_.arrays.push_back(std::move(array));
    return OkStatus();
  }

  Status ReadObjects() {
    BATON_RETURN_IF_ERROR(ReadRange({"minProperties", "maxProperties"}, kObject,
                                    shape_.min_properties, shape_.max_properties));
    BATON_RETURN_IF_ERROR(ReadRequired());
    const Json* properties = Find("properties");
    const Json* additional = Find("additionalProperties");
    if (properties == nullptr && additional == nullptr) return OkStatus();
    shape_.types_meant |= kObject;
    SchemaShape::Object object;
    if (additional != nullptr) object.additional = Below(*additional, "additionalProperties");
    if (properties != nullptr) {
      if (!properties->is_object()) return Error("properties", "expected an object");
      for (const auto& [name, schema] : properties->items()) {
        object.properties.emplace_back(
            name, Subschema{&schema, PlaceBelow(PlaceBelow(place_, "properties"), name)});
      }
    }
    shape_.objects.push_back(std::move(object));
    return OkStatus();
  }

  Status ReadRequired() {
    const Json* required = Find("required");
    if (required == nullptr) return OkStatus();
    if (!required->is_array()) return Error("required", "expected an array");
    if (required->size() > options_.properties_of_one_object) {
      return Error("required", "more names than the limit of " +
                                   std::to_string(options_.properties_of_one_object));
    }
    for (const Json& name : *required) {
      if (!name.is_string()) return Error("required", "expected names");
      if (!shape_.IsRequired(name)) shape_.required.push_back(name);
    }
    shape_.types_meant |= kObject;
    return OkStatus();
  }

  const Json& json_;
  const std::string& place_;
  const SchemaOptions& options_;
  SchemaShape& shape_;
};

}  // namespace

Status ReadKeywords(const Subschema& schema, const SchemaOptions& options, SchemaShape& shape) {
  return KeywordReader(schema, options, shape).Run();
}

Status SchemaError(const std::string& place, const std::string& what) {
  return InvalidArgument("schema, at " + place + ": " + what);
}

std::string PlaceBelow(const std::string& place, std::string_view step) {
  std::string out = place + "/";
  for (const char c : step) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace baton::grammar
