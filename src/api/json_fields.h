#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <nlohmann/json.hpp>

#include "baton/api/error.h"

namespace baton::api {

/// Keeps the order of keys, which chat templates can see.
using Json = nlohmann::ordered_json;

/// Reads a request body into `object`. Refuses what is not a JSON object in UTF-8, and nesting or
/// objects so large that reading them would cost more than they can be worth.
std::optional<ApiError> ParseBody(std::string_view body, int depth_limit, Json& object);

/// Reads the fields of one object. The first error stays, and later reads do nothing, so that a
/// caller reads all fields and then asks once. A field that is absent or null leaves `value` alone.
class JsonFields {
 public:
  /// `within`: of an object inside another, what stands before its fields' names in errors, e.g.
  /// "stream_options.".
  explicit JsonFields(const Json& object, std::string within = {})
      : object_(object), within_(std::move(within)) {}

  /// The field, or null when it is absent or null.
  const Json* Find(const std::string& name);
  void Bool(const std::string& name, bool& value);
  void Float(const std::string& name, float& value);
  void String(const std::string& name, std::string& value);
  /// Also takes whole numbers written as fractions, as in 16.0.
  void Int(const std::string& name, int32_t& value, int64_t least = kLeastInt,
           int64_t most = kMostInt);
  void Int(const std::string& name, std::optional<int32_t>& value, int64_t least = kLeastInt,
           int64_t most = kMostInt);
  /// Any 64-bit integer, negative ones too.
  void Seed(const std::string& name, std::optional<uint64_t>& value);

  void Fail(ApiError error);
  void Fail(const std::string& param, std::string message, std::string code = {});
  /// Fails with "'param' must be `wanted`, got a string".
  void FailType(const std::string& param, std::string_view wanted, const Json& got);
  const std::optional<ApiError>& error() const { return error_; }
  /// A field's name as the whole request knows it.
  std::string Path(const std::string& name) const { return within_ + name; }

  /// Marks a field that is read elsewhere or ignored on purpose.
  void Ignore(const std::string& name) { known_.insert(name); }
  /// The fields that nothing asked for.
  std::vector<std::string> Unknown() const;
  /// Those that were asked for or ignored, there or not.
  const std::unordered_set<std::string>& known() const { return known_; }

 private:
  static constexpr int64_t kLeastInt = std::numeric_limits<int32_t>::min();
  static constexpr int64_t kMostInt = std::numeric_limits<int32_t>::max();

  const Json& object_;
  const std::string within_;
  std::unordered_set<std::string> known_;
  std::optional<ApiError> error_;
};

/// `json` as a whole number, if it is one that fits.
std::optional<int64_t> ToInteger(const Json& json);

}  // namespace baton::api
