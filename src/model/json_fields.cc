#include "json_fields.h"

#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include "baton/base/json_nesting.h"

namespace baton::model {
namespace {

constexpr std::streamoff kMaxFileBytes = 64 << 20;

}  // namespace

const nlohmann::json* JsonFields::Find(const std::string& name) {
  asked_.insert(name);
  const auto member = object_.find(name);
  return member == object_.end() || member->is_null() ? nullptr : &*member;
}

void JsonFields::Fail(StatusCode code, const std::string& name, const std::string& problem) {
  if (status_.ok()) status_ = Status(code, where_ + ": " + name + " " + problem);
}

std::optional<double> JsonFields::Number(const std::string& name) {
  const nlohmann::json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) return value->get<double>();
  Fail(StatusCode::kInvalidArgument, name, "must be a number, got " + value->dump());
  return std::nullopt;
}

std::optional<int64_t> JsonFields::Integer(const std::string& name, int64_t least, int64_t most) {
  const nlohmann::json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_number_integer() && *value >= least && *value <= most) {
    return value->get<int64_t>();
  }
  Fail(StatusCode::kInvalidArgument, name,
       "must be an integer in [" + std::to_string(least) + ", " + std::to_string(most) + "], got " +
           value->dump());
  return std::nullopt;
}

int32_t JsonFields::RequiredInteger(const std::string& name, int64_t least, int64_t most) {
  const auto value = Integer(name, least, most);
  if (!value) Fail(StatusCode::kInvalidArgument, name, "is missing");
  return static_cast<int32_t>(value.value_or(0));
}

std::optional<bool> JsonFields::Bool(const std::string& name) {
  const nlohmann::json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  Fail(StatusCode::kInvalidArgument, name, "must be true or false, got " + value->dump());
  return std::nullopt;
}

std::optional<std::string> JsonFields::String(const std::string& name) {
  const nlohmann::json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  Fail(StatusCode::kInvalidArgument, name, "must be a string, got " + value->dump());
  return std::nullopt;
}

std::vector<TokenId> JsonFields::Tokens(const std::string& name) {
  const nlohmann::json* value = Find(name);
  if (value == nullptr) return {};
  const auto list = value->is_array() ? *value : nlohmann::json::array({*value});
  std::vector<TokenId> tokens;
  for (const auto& item : list) {
    if (!item.is_number_integer() || item < 0 || item > std::numeric_limits<TokenId>::max()) {
      Fail(StatusCode::kInvalidArgument, name,
           "must be a token id or a list, got " + value->dump());
      return {};
    }
    tokens.push_back(item.get<TokenId>());
  }
  return tokens;
}

const nlohmann::json* JsonFields::Object(const std::string& name) {
  const nlohmann::json* value = Find(name);
  if (value == nullptr || value->is_object()) return value;
  Fail(StatusCode::kInvalidArgument, name, "must be an object, got " + value->dump());
  return nullptr;
}

Result<nlohmann::json> ReadJsonObject(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return NotFound(path.string() + " cannot be read");
  if (file.tellg() > kMaxFileBytes) return InvalidArgument(path.string() + " is too large");
  file.seekg(0);
  std::ostringstream text;
  text << file.rdbuf();
  if (JsonNesting(text.view()) > kMaxJsonNesting) {
    return InvalidArgument(path.string() + " nests too deeply");
  }
  auto json = nlohmann::json::parse(text.view(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return InvalidArgument(path.string() + " is not a JSON object");
  return json;
}

}  // namespace baton::model
