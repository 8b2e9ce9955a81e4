#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace baton::test {

/// The parts of OpenAPI's schemas that tell a wrong response from a right one: types, required
/// properties, enums, items, references, alternatives.
class OpenApiSchema {
 public:
  /// Nothing when there is no such file.
  static std::optional<OpenApiSchema> Load(const std::string& file);

  /// What is wrong with `value` as a `name`, each with its path; empty when it fits.
  std::vector<std::string> Check(const std::string& name, const nlohmann::json& value) const;

 private:
  explicit OpenApiSchema(nlohmann::json schemas) : schemas_(std::move(schemas)) {}
  void Check(const nlohmann::json& schema, const nlohmann::json& value, const std::string& path,
             std::vector<std::string>& faults) const;
  void CheckObject(const nlohmann::json& schema, const nlohmann::json& value,
                   const std::string& path, std::vector<std::string>& faults) const;

  nlohmann::json schemas_;
};

}  // namespace baton::test
