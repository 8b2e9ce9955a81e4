#include "baton/config/load.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <unistd.h>

#include "baton/config/schema.h"
#include "checks.h"
#include "schema.h"
#include "suggest.h"
#include "values.h"
#include "yaml_file.h"

namespace baton::config {
namespace {

/// Variables that are not keys: of ./dev, and of the processes that `baton serve` starts.
constexpr std::array<std::string_view, 4> kOtherVariables{"BATON_CONFIG", "BATON_JOBS",
                                                          "BATON_NOTIFY_FD", "BATON_PRESET"};

std::vector<std::string> SplitItems(const std::string& text) {
  std::vector<std::string> items;
  std::istringstream stream(text);
  for (std::string item; std::getline(stream, item, ',');) items.push_back(item);
  return items;
}

class Loader {
 public:
  Result<Loaded> Load(const Sources& sources) {
    for (const Key& key : Keys()) {
      loaded_.settings.push_back({key.path, "", Origin::kDefault, "default"});
    }
    if (!sources.file.empty()) ReadFile(sources.file);
    ReadEnvironment(sources.environment);
    ReadCommandLine(sources.command_line);
    FillCounts();
    // A whole that lacks refused values would only lead to errors that are none.
    if (errors_.empty()) errors_ = CheckWhole(loaded_);
    if (!errors_.empty()) return Errors();
    for (size_t i = 0; i < Keys().size(); ++i) {
      loaded_.settings[i].value = Render(Keys()[i], loaded_.config);
    }
    return std::move(loaded_);
  }

 private:
  void ReadFile(const std::string& file) {
    std::ifstream stream(file, std::ios::binary);
    std::ostringstream text;
    if (std::filesystem::is_directory(file) || !(text << stream.rdbuf())) {
      // An empty file also sets the stream's fail bit.
      std::error_code error;
      if (std::filesystem::file_size(file, error) != 0 || error) {
        errors_.push_back(file + ": cannot be read");
        return;
      }
    }
    FileContents contents = ParseYaml(file, text.str());
    errors_ = std::move(contents.errors);
    for (const FileValue& value : contents.values) {
      const Key& key = *value.key;
      Take(key, Origin::kFile, value.where,
           key.is_list() ? AssignList(key, value.items, loaded_.config)
                         : Assign(key, value.text, loaded_.config));
      if (key.is_file) Resolve(key, std::filesystem::path(file).parent_path());
    }
  }

  void ReadEnvironment(const std::vector<std::string>& environment) {
    std::vector<std::string> names;
    for (const Key& key : Keys()) names.push_back(EnvironmentName(key.path));
    for (const std::string& variable : environment) {
      const std::string name = variable.substr(0, variable.find('='));
      if (!name.starts_with("BATON_") || name.size() == variable.size()) continue;
      if (std::ranges::find(kOtherVariables, name) != kOtherVariables.end()) continue;
      const auto found = std::ranges::find(names, name);
      if (found == names.end()) {
        loaded_.warnings.push_back("environment variable " + name + " names no key" +
                                   DidYouMean(name, names) + "; it is ignored");
        continue;
      }
      const Key& key = Keys()[static_cast<size_t>(found - names.begin())];
      TakeText(key, Origin::kEnvironment, name, variable.substr(name.size() + 1));
    }
  }

  void ReadCommandLine(const std::vector<Override>& overrides) {
    std::vector<std::string> paths;
    for (const Key& key : Keys()) paths.push_back(key.path);
    for (const Override& override : overrides) {
      const Key* key = FindKey(override.path);
      if (key == nullptr) {
        errors_.push_back(override.where + ": unknown key '" + override.path + "'" +
                          DidYouMean(override.path, paths));
        continue;
      }
      TakeText(*key, Origin::kCommandLine, override.where, override.value);
    }
  }

  /// Outside a file the items of a list are separated by commas.
  void TakeText(const Key& key, Origin origin, const std::string& where, const std::string& text) {
    Take(key, origin, where,
         key.is_list() ? AssignList(key, SplitItems(text), loaded_.config)
                       : Assign(key, text, loaded_.config));
    if (key.is_file) Resolve(key, std::filesystem::current_path());
  }

  void Take(const Key& key, Origin origin, const std::string& where, const Status& status) {
    if (!status.ok()) {
      errors_.push_back(where + ": " + key.path + " " + status.message());
      return;
    }
    Setting& setting = loaded_.settings[static_cast<size_t>(&key - Keys().data())];
    setting.origin = origin;
    setting.where = where;
  }

  void Resolve(const Key& key, const std::filesystem::path& folder) {
    std::string& path = *std::get<std::string*>(key.slot(loaded_.config));
    if (!path.empty()) path = std::filesystem::absolute(folder / path).lexically_normal();
  }

  /// Without a count for any role there is a prefill and a decode worker.
  void FillCounts() {
    for (const Setting& setting : loaded_.settings) {
      const bool count = setting.path.starts_with("workers.") && setting.path.ends_with(".count");
      if (count && setting.origin != Origin::kDefault) return;
    }
    loaded_.config.workers.prefill.count = 1;
    loaded_.config.workers.decode.count = 1;
  }

  Status Errors() const {
    std::string text;
    for (const std::string& error : errors_) text += (text.empty() ? "" : "\n") + error;
    return InvalidArgument(text);
  }

  Loaded loaded_;
  std::vector<std::string> errors_;
};

}  // namespace

Result<Loaded> LoadConfig(const Sources& sources) { return Loader().Load(sources); }

std::vector<std::string> ProcessEnvironment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    variables.emplace_back(*variable);
  }
  return variables;
}

}  // namespace baton::config
