#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "baton/base/ids.h"
#include "baton/base/status.h"

namespace baton::text {

/// Ids below this; the greatest vocabularies have a quarter of a million tokens.
inline constexpr int64_t kMaxVocabulary = 1 << 21;

/// A place in a JSON document that knows its path, so that errors can name it.
/// *Ownership*: the document outlives the place.
class JsonPlace {
 public:
  JsonPlace(const nlohmann::json& value, std::string path)
      : value_(&value), path_(std::move(path)) {}

  const nlohmann::json& value() const { return *value_; }
  const std::string& path() const { return path_; }
  bool is_null() const { return value_->is_null(); }

  /// A null place when there is no such key.
  JsonPlace Get(const std::string& key) const;
  JsonPlace At(size_t index) const;

  /// *Fail with* InvalidArgument naming the place when the value has another type.
  Result<std::string> String() const;
  Result<bool> BoolOr(bool otherwise) const;
  Result<int64_t> Int() const;
  Result<TokenId> Token() const;
  Status RequireArray() const;
  Status RequireObject() const;

  /// "tokenizer.json: model.merges[3]: `what`".
  Status Error(const std::string& what) const;
  Status Unsupported(const std::string& what) const;

 private:
  const nlohmann::json* value_;
  std::string path_;
};

/// *Fails with* NotFound, or InvalidArgument naming the file and the place of the mistake.
Result<nlohmann::json> ReadJsonFile(const std::filesystem::path& file);
Result<std::string> ReadTextFile(const std::filesystem::path& file);

}  // namespace baton::text
