#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "baton/base/ids.h"
#include "baton/base/status.h"

namespace baton::model {

/// The members of a JSON object, read by name and type; remembers the first error and which members
/// were asked for.
class JsonFields {
 public:
  /// `where` begins error messages, e.g. "models/x/config.json". `object` outlives this.
  JsonFields(const nlohmann::json& object, std::string where)
      : object_(object), where_(std::move(where)) {}

  /// Empty when the member is absent or null, or of the wrong type (which is an error).
  std::optional<double> Number(const std::string& name);
  std::optional<int64_t> Integer(const std::string& name, int64_t least, int64_t most);
  std::optional<bool> Bool(const std::string& name);
  std::optional<std::string> String(const std::string& name);
  /// One token id or a list of them; empty when absent.
  std::vector<TokenId> Tokens(const std::string& name);
  /// Null when absent.
  const nlohmann::json* Object(const std::string& name);

  /// As Integer, but absence is an error too; 0 then.
  int32_t RequiredInteger(const std::string& name, int64_t least, int64_t most);

  /// Records an error about a member unless there is one already.
  void Fail(StatusCode code, const std::string& name, const std::string& problem);
  void Ignore(const std::string& name) { asked_.insert(name); }
  bool asked(const std::string& name) const { return asked_.contains(name); }
  const nlohmann::json& object() const { return object_; }
  const std::string& where() const { return where_; }
  const Status& status() const { return status_; }

 private:
  const nlohmann::json* Find(const std::string& name);

  const nlohmann::json& object_;
  std::string where_;
  std::set<std::string> asked_;
  Status status_;
};

/// A file's JSON object. *Fails with* NotFound when there is no file; InvalidArgument naming it.
Result<nlohmann::json> ReadJsonObject(const std::filesystem::path& path);

}  // namespace baton::model
