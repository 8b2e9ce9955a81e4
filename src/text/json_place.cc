#include "json_place.h"

#include <fstream>
#include <iterator>

#include "baton/base/json_nesting.h"

namespace baton::text {

using nlohmann::json;

JsonPlace JsonPlace::Get(const std::string& key) const {
  static const json kNull;
  const bool at_root = path_.ends_with(": ");
  std::string path = path_ + (at_root ? "" : ".") + key;
  if (!value_->is_object()) return {kNull, std::move(path)};
  const auto found = value_->find(key);
  return {found == value_->end() ? kNull : *found, std::move(path)};
}

JsonPlace JsonPlace::At(size_t index) const {
  return {value_->at(index), path_ + "[" + std::to_string(index) + "]"};
}

Result<std::string> JsonPlace::String() const {
  if (!value_->is_string()) return Error("expected a string");
  return value_->get<std::string>();
}

Result<bool> JsonPlace::BoolOr(bool otherwise) const {
  if (value_->is_null()) return otherwise;
  if (!value_->is_boolean()) return Error("expected true or false");
  return value_->get<bool>();
}

Result<int64_t> JsonPlace::Int() const {
  if (!value_->is_number_integer()) return Error("expected an integer");
  return value_->get<int64_t>();
}

Result<TokenId> JsonPlace::Token() const {
  if (!value_->is_number_unsigned() || value_->get<uint64_t>() >= kMaxVocabulary) {
    return Error("expected a token id");
  }
  return value_->get<TokenId>();
}

Status JsonPlace::RequireArray() const {
  return value_->is_array() ? OkStatus() : Error("expected an array");
}

Status JsonPlace::RequireObject() const {
  return value_->is_object() ? OkStatus() : Error("expected an object");
}

Status JsonPlace::Error(const std::string& what) const {
  return InvalidArgument(path_ + ": " + what);
}

Status JsonPlace::Unsupported(const std::string& what) const {
  return Unimplemented(path_ + ": " + what + " is not supported");
}

Result<std::string> ReadTextFile(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return NotFound("cannot read " + file.string());
  return std::string(std::istreambuf_iterator<char>(in), {});
}

Result<json> ReadJsonFile(const std::filesystem::path& file) {
  BATON_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(file));
  if (JsonNesting(text) > kMaxJsonNesting) {
    return InvalidArgument(file.string() + ": nests too deeply");
  }
  try {
    return json::parse(text);
  } catch (const json::exception& error) {
    return InvalidArgument(file.string() + ": " + error.what());
  }
}

}  // namespace baton::text
