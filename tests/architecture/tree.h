#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace baton::architecture {

/// A module as baton_module() declared it.
struct Module {
  int layer = 0;
  std::string folder;             // relative to the root of the tree
  std::set<std::string> depends;  // direct and indirect
};
using Modules = std::map<std::string, Module>;

/// Reads layers.txt, which CMake wrote: a line per module with layer, name, folder and
/// dependencies.
Modules ReadModules(const std::filesystem::path& layers);

/// The tree's files, relative to `root`: what git tracks and what it would, or, outside a
/// repository, every file. Leaves out the planted fixtures of the architecture tests.
std::vector<std::string> ListFiles(const std::filesystem::path& root);

/// Every breach of the rules as "path:line: sentence" ("path: sentence" where no line is meant).
std::vector<std::string> CheckTree(const std::filesystem::path& root,
                                   const std::vector<std::string>& files, const Modules& modules);

/// Modules of src/ for which the README's table has no row "| layer | `module` |".
std::vector<std::string> CheckModuleTable(const std::filesystem::path& readme,
                                          const Modules& modules);

}  // namespace baton::architecture
