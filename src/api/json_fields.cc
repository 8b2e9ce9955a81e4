#include "json_fields.h"

#include <cmath>

namespace baton::api {

namespace {

/// Finding a key is linear in its object.
constexpr int kMembersPerObject = 512;

/// Walks the brackets outside strings before anything is built from them.
std::optional<ApiError> CheckNesting(std::string_view body, int depth_limit) {
  std::vector<int> members;
  bool in_string = false;
  for (size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{' || c == '[') {
      // Commas between the items of an array do not count.
      members.push_back(c == '{' ? 1 : std::numeric_limits<int>::min());
      if (static_cast<int>(members.size()) > depth_limit)
        return ApiError{
            400, "the request body nests deeper than " + std::to_string(depth_limit) + " levels"};
    }
    if ((c == '}' || c == ']') && !members.empty()) members.pop_back();
    if (c == ',' && !members.empty() && ++members.back() > kMembersPerObject)
      return ApiError{400, "an object in the request body has more than " +
                               std::to_string(kMembersPerObject) + " members"};
  }
  return std::nullopt;
}

std::string_view NameOfType(const Json& json) {
  switch (json.type()) {
    case Json::value_t::null: return "null";
    case Json::value_t::object: return "an object";
    case Json::value_t::array: return "an array";
    case Json::value_t::string: return "a string";
    case Json::value_t::boolean: return "a boolean";
    default: return "a number";
  }
}

}  // namespace

std::optional<ApiError> ParseBody(std::string_view body, int depth_limit, Json& object) {
  if (auto error = CheckNesting(body, depth_limit)) return error;
  try {
    object = Json::parse(body);
  } catch (const Json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 5: ..."
    std::string_view what = error.what();
    if (const size_t end = what.find("] "); end != std::string_view::npos)
      what.remove_prefix(end + 2);
    return ApiError{400, "the request body is not valid JSON: " + std::string(what)};
  }
  if (!object.is_object())
    return ApiError{
        400, "the request body must be a JSON object, got " + std::string(NameOfType(object))};
  return std::nullopt;
}

std::optional<int64_t> ToInteger(const Json& json) {
  if (json.is_number_unsigned()) {
    const uint64_t value = json.get<uint64_t>();
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
    return static_cast<int64_t>(value);
  }
  if (json.is_number_integer()) return json.get<int64_t>();
  if (!json.is_number_float()) return std::nullopt;
  const double value = json.get<double>();
  if (std::trunc(value) != value || std::abs(value) > 0x1p53) return std::nullopt;
  return static_cast<int64_t>(value);
}

const Json* JsonFields::Find(const std::string& name) {
  known_.insert(name);
  if (error_) return nullptr;
  const auto field = object_.find(name);
  return field == object_.end() || field->is_null() ? nullptr : &*field;
}

void JsonFields::Bool(const std::string& name, bool& value) {
  const Json* field = Find(name);
  if (field == nullptr) return;
  if (!field->is_boolean()) return FailType(name, "true or false", *field);
  value = field->get<bool>();
}

void JsonFields::Float(const std::string& name, float& value) {
  const Json* field = Find(name);
  if (field == nullptr) return;
  if (!field->is_number()) return FailType(name, "a number", *field);
  value = field->get<float>();
  if (!std::isfinite(value)) Fail(name, "'" + Path(name) + "' is too large a number");
}

void JsonFields::String(const std::string& name, std::string& value) {
  const Json* field = Find(name);
  if (field == nullptr) return;
  if (!field->is_string()) return FailType(name, "a string", *field);
  value = field->get<std::string>();
}

void JsonFields::Int(const std::string& name, int32_t& value, int64_t least, int64_t most) {
  const Json* field = Find(name);
  if (field == nullptr) return;
  if (!field->is_number()) return FailType(name, "a whole number", *field);
  const std::optional<int64_t> integer = ToInteger(*field);
  if (!integer || *integer < least || *integer > most)
    return Fail(name, "'" + Path(name) + "' must be a whole number from " + std::to_string(least) +
                          " to " + std::to_string(most) + ", got " + field->dump());
  value = static_cast<int32_t>(*integer);
}

void JsonFields::Int(const std::string& name, std::optional<int32_t>& value, int64_t least,
                     int64_t most) {
  if (Find(name) == nullptr) return;
  int32_t given = 0;
  Int(name, given, least, most);
  value = given;
}

void JsonFields::Seed(const std::string& name, std::optional<uint64_t>& value) {
  const Json* field = Find(name);
  if (field == nullptr) return;
  if (!field->is_number()) return FailType(name, "a whole number", *field);
  if (field->is_number_unsigned()) {
    value = field->get<uint64_t>();
  } else if (const std::optional<int64_t> integer = ToInteger(*field)) {
    value = static_cast<uint64_t>(*integer);
  } else {
    Fail(name, "'" + Path(name) + "' must be a 64-bit whole number, got " + field->dump());
  }
}

void JsonFields::Fail(ApiError error) {
  if (!error_) error_ = std::move(error);
}

void JsonFields::Fail(const std::string& param, std::string message, std::string code) {
  Fail(ApiError{400, std::move(message), Path(param), std::move(code)});
}

void JsonFields::FailType(const std::string& param, std::string_view wanted, const Json& got) {
  Fail(param, "'" + Path(param) + "' must be " + std::string(wanted) + ", got " +
                  std::string(NameOfType(got)));
}

std::vector<std::string> JsonFields::Unknown() const {
  std::vector<std::string> unknown;
  for (const auto& [name, value] : object_.items())
    if (!known_.contains(name)) unknown.push_back(name);
  return unknown;
}

}  // namespace baton::api
