#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <unistd.h>

#include "baton/base/check.h"

namespace baton::fuzz {

/// A folder for decoders that read files, gone with the object. In memory where the host has such
/// folders: on a disk the files take longer than their decoding.
class InputFolder {
 public:
  InputFolder() {
    const std::filesystem::path memory = "/dev/shm";
    const bool in_memory = ::access(memory.c_str(), W_OK) == 0;
    const auto parent = in_memory ? memory : std::filesystem::temp_directory_path();
    std::string name = (parent / "baton-fuzz-XXXXXX").string();
    BATON_CHECK(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~InputFolder() { std::filesystem::remove_all(path_); }
  InputFolder(const InputFolder&) = delete;
  InputFolder& operator=(const InputFolder&) = delete;

  /// Replaces the file; an empty one is not there at all.
  void Write(const std::string& name, std::string_view content) const {
    if (content.empty()) {
      std::filesystem::remove(path_ / name);
    } else {
      std::ofstream(path_ / name, std::ios::binary) << content;
    }
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A file of the source tree.
inline std::string SourceFile(const std::string& path) {
  std::ifstream file(std::string(BATON_SOURCE_DIR) + "/" + path, std::ios::binary);
  BATON_CHECK(file.good()) << path << " cannot be read";
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace baton::fuzz
