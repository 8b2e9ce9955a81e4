#include "architecture/tree.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <memory>
#include <regex>
#include <sstream>

namespace baton::architecture {
namespace {

namespace fs = std::filesystem;

/// Lines that a command prints; empty where it fails.
std::vector<std::string> LinesOf(const std::string& command) {
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::vector<std::string> lines;
  if (!pipe) return lines;
  std::array<char, 4096> buffer;
  while (fgets(buffer.data(), buffer.size(), pipe.get()) != nullptr) {
    std::string line = buffer.data();
    if (!line.empty() && line.back() == '\n') line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> GitFiles(const fs::path& root) {
  const std::string git = "git -C '" + root.string() + "' ls-files ";
  const std::string quiet = " 2>/dev/null";
  std::vector<std::string> files = LinesOf(git + quiet);
  if (files.empty()) return files;
  const std::vector<std::string> untracked = LinesOf(
      git + "--others --exclude-standard include src kernels proto tests bench tools" + quiet);
  files.insert(files.end(), untracked.begin(), untracked.end());
  return files;
}

std::vector<std::string> WalkedFiles(const fs::path& root) {
  std::vector<std::string> files;
  for (auto entry = fs::recursive_directory_iterator(root); entry != fs::end(entry); ++entry) {
    const std::string name = entry->path().filename();
    if (entry->is_directory() && (name == ".git" || name == "build" || name == "__pycache__")) {
      entry.disable_recursion_pending();
    } else if (entry->is_regular_file()) {
      files.push_back(entry->path().lexically_relative(root));
    }
  }
  return files;
}

}  // namespace

Modules ReadModules(const fs::path& layers) {
  Modules modules;
  std::ifstream in(layers);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string name, dependency;
    Module module;
    if (!(words >> module.layer >> name >> module.folder)) continue;
    while (words >> dependency) {
      module.depends.insert(dependency);
      module.depends.merge(std::set<std::string>(modules[dependency].depends));
    }
    modules[name] = std::move(module);
  }
  return modules;
}

std::vector<std::string> ListFiles(const fs::path& root) {
  std::vector<std::string> files = fs::exists(root / ".git") ? GitFiles(root) : WalkedFiles(root);
  if (files.empty()) files = WalkedFiles(root);
  std::erase_if(files, [&](const std::string& file) {
    return file.starts_with("tests/architecture/fixtures/") || !fs::exists(root / file);
  });
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> CheckModuleTable(const fs::path& readme, const Modules& modules) {
  std::stringstream text;
  text << std::ifstream(readme).rdbuf();
  std::vector<std::string> breaches;
  for (const auto& [name, module] : modules) {
    const std::regex row("(^|\n)\\| *" + std::to_string(module.layer) + " *\\| *`?" + name +
                         "`? *\\|");
    if (module.folder.starts_with("src/") && !std::regex_search(text.str(), row)) {
      breaches.push_back(readme.filename().string() + ": no row | " + std::to_string(module.layer) +
                         " | `" + name + "` |");
    }
  }
  return breaches;
}

}  // namespace baton::architecture
