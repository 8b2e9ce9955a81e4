#include "schema_shape.h"

#include <algorithm>
#include <cmath>

namespace baton::grammar {

uint32_t TypeOf(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null: return kNull;
    case Json::value_t::boolean: return kBoolean;
    case Json::value_t::string: return kString;
    case Json::value_t::array: return kArray;
    case Json::value_t::object: return kObject;
    case Json::value_t::number_float: {
      const double number = value.get<double>();
      return number == std::floor(number) ? kInteger : kFraction;  // 1.0 is an integer.
    }
    default: return kInteger;
  }
}

bool SchemaShape::IsRequired(const std::string& name) const {
  return std::find(required.begin(), required.end(), name) != required.end();
}

Subschemas SchemaShape::Property(const std::string& name) const {
  Subschemas all;
  for (const Object& object : objects) {
    const auto declared = std::find_if(object.properties.begin(), object.properties.end(),
                                       [&](const auto& one) { return one.first == name; });
    if (declared != object.properties.end()) {
      all.push_back(declared->second);
    } else if (object.additional) {
      all.push_back(*object.additional);
    }
  }
  return all;
}

}  // namespace baton::grammar
