#include "openapi_schema.h"

#include <algorithm>
#include <fstream>

namespace baton::test {

namespace {

using nlohmann::json;
constexpr char kReference[] = "#/components/schemas/";

bool HasType(const json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_boolean();
  return type == "null" && value.is_null();
}

}  // namespace

std::optional<OpenApiSchema> OpenApiSchema::Load(const std::string& file) {
  std::ifstream stream(file);
  if (!stream) return std::nullopt;
  return OpenApiSchema(json::parse(stream).at("components").at("schemas"));
}

std::vector<std::string> OpenApiSchema::Check(const std::string& name, const json& value) const {
  std::vector<std::string> faults;
  Check(schemas_.at(name), value, name, faults);
  return faults;
}

void OpenApiSchema::Check(const json& schema, const json& value, const std::string& path,
                          std::vector<std::string>& faults) const {
  if (value.is_null() && schema.value("nullable", false)) return;
  if (schema.contains("$ref")) {
    const std::string name = schema["$ref"].get<std::string>().substr(sizeof(kReference) - 1);
    return Check(schemas_.at(name), value, path, faults);
  }
  for (const char* kind : {"anyOf", "oneOf"}) {
    if (!schema.contains(kind)) continue;
    const bool fits = std::any_of(schema[kind].begin(), schema[kind].end(), [&](const json& one) {
      std::vector<std::string> none;
      Check(one, value, path, none);
      return none.empty();
    });
    if (!fits) faults.push_back(path + " fits no alternative: " + value.dump());
  }
  if (schema.contains("allOf"))
    for (const json& one : schema["allOf"]) Check(one, value, path, faults);
  if (schema.contains("type") && !HasType(value, schema["type"])) {
    faults.push_back(path + " is not of type " + schema["type"].dump() + ": " + value.dump());
    return;
  }
  if (schema.contains("enum") &&
      std::find(schema["enum"].begin(), schema["enum"].end(), value) == schema["enum"].end())
    faults.push_back(path + " is none of " + schema["enum"].dump() + ": " + value.dump());
  if (value.is_object()) CheckObject(schema, value, path, faults);
  if (value.is_array() && schema.contains("items"))
    for (size_t i = 0; i < value.size(); ++i)
      Check(schema["items"], value[i], path + "[" + std::to_string(i) + "]", faults);
}

void OpenApiSchema::CheckObject(const json& schema, const json& value, const std::string& path,
                                std::vector<std::string>& faults) const {
  for (const json& name : schema.value("required", json::array()))
    if (!value.contains(name.get<std::string>()))
      faults.push_back(path + " lacks " + name.get<std::string>());
  const json properties = schema.value("properties", json::object());
  for (const auto& [name, property] : properties.items())
    if (value.contains(name)) Check(property, value[name], path + "." + name, faults);
  if (!schema.contains("additionalProperties") || !schema["additionalProperties"].is_object())
    return;
  for (const auto& [name, item] : value.items())
    if (!properties.contains(name))
      Check(schema["additionalProperties"], item, path + "." + name, faults);
}

}  // namespace baton::test
