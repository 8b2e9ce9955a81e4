#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

#include "baton/config/load.h"

namespace baton::config {

/// A file in a folder of its own that is gone with the object.
class ConfigFile {
 public:
  explicit ConfigFile(const std::string& text) {
    std::string folder = (std::filesystem::temp_directory_path() / "baton-config-XXXXXX").string();
    folder_ = mkdtemp(folder.data());
    std::ofstream(path()) << text;
  }
  ~ConfigFile() { std::filesystem::remove_all(folder_); }
  ConfigFile(const ConfigFile&) = delete;
  ConfigFile& operator=(const ConfigFile&) = delete;

  std::string folder() const { return folder_; }
  std::string path() const { return folder_ + "/baton.yaml"; }

 private:
  std::string folder_;
};

inline Result<Loaded> Load(const std::string& text, std::vector<std::string> environment = {},
                           std::vector<Override> command_line = {}) {
  const ConfigFile file(text);
  return LoadConfig({file.path(), std::move(environment), std::move(command_line)});
}

/// The errors of a file, with its path written "FILE".
inline std::string ErrorsOf(const std::string& text) {
  const ConfigFile file(text);
  const Result<Loaded> loaded = LoadConfig({file.path(), {}, {}});
  if (loaded.ok()) return "";
  std::string message = loaded.status().message();
  for (size_t at; (at = message.find(file.path())) != std::string::npos;) {
    message.replace(at, file.path().size(), "FILE");
  }
  return message;
}

}  // namespace baton::config
