#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "number_range.h"

namespace baton::grammar {

/// Keeps the order of properties.
using Json = nlohmann::ordered_json;

/// A schema within the document, and the JSON pointer to it.
/// *Ownership*: the document outlives it.
struct Subschema {
  const Json* schema = nullptr;
  std::string place;
};
/// What a value must satisfy, all of it; anything satisfies none.
using Subschemas = std::vector<Subschema>;

/// Types of values; a number that is no integer has a type of its own.
enum JsonTypes : uint32_t {
  kNull = 1,
  kBoolean = 2,
  kInteger = 4,
  kFraction = 8,
  kString = 16,
  kArray = 32,
  kObject = 64,
  kAnyType = 127,
};
uint32_t TypeOf(const Json& value);

/// One way for a value to be valid: what remains of a schema once references are followed, allOf is
/// put together and one branch of each anyOf is chosen.
struct SchemaShape {
  /// What one schema says of objects; of several, each holds by itself.
  struct Object {
    std::vector<std::pair<std::string, Subschema>> properties;
    std::optional<Subschema> additional;
  };
  struct Array {
    Subschemas prefix;
    std::optional<Subschema> items;
  };
  struct Pattern {
    std::string regex;
    std::string place;
  };

  uint32_t types = kAnyType;
  bool types_given = false;
  /// Types that keywords other than `type` speak of.
  uint32_t types_meant = 0;
  /// Of enum and const.
  std::optional<std::vector<const Json*>> values;
  NumberRange numbers;
  int64_t min_length = 0;
  std::optional<int64_t> max_length;
  std::vector<Pattern> patterns;
  std::vector<Array> arrays;
  int64_t min_items = 0;
  std::optional<int64_t> max_items;
  std::vector<Object> objects;
  std::vector<std::string> required;
  int64_t min_properties = 0;
  std::optional<int64_t> max_properties;

  bool IsRequired(const std::string& name) const;
  /// What the property must satisfy, by all that was said of objects.
  Subschemas Property(const std::string& name) const;
};

}  // namespace baton::grammar
