#include <algorithm>
#include <fstream>
#include <optional>
#include <regex>
#include <sstream>

#include "architecture/rules.h"
#include "architecture/tree.h"

namespace baton::architecture {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kLargestText = 256 * 1024;

bool Contains(const Words& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool IsUnder(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && path.substr(folder.size()).starts_with("/");
}

/// "a", "a/b", ... : a path's first `count` parts.
std::string FirstParts(std::string_view path, int count) {
  std::size_t end = 0;
  for (int part = 0; part < count && end != std::string_view::npos; ++part) {
    end = path.find('/', end + (part > 0));
  }
  return std::string(path.substr(0, end));
}

std::string Part(std::string_view path, int index) {
  const std::string before = index == 0 ? "" : FirstParts(path, index) + "/";
  return FirstParts(path.substr(std::min(before.size(), path.size())), 1);
}

bool Matches(std::string_view header, std::string_view pattern) {
  return pattern.starts_with("*") ? header.ends_with(pattern.substr(1))
                                  : header.starts_with(pattern);
}

const Door* FindDoor(std::string_view header) {
  for (const Door& door : kDoors) {
    for (std::string_view pattern : door.headers) {
      if (Matches(header, pattern)) return &door;
    }
  }
  return nullptr;
}

bool IsSystemHeader(std::string_view header) {
  if (header.find_first_of("./") == std::string_view::npos) return true;
  return std::any_of(kSystemHeaders.begin(), kSystemHeaders.end(), [&](std::string_view known) {
    return known.ends_with("/") || known.starts_with("*") ? Matches(header, known)
                                                          : header == known;
  });
}

/// The kernels' targets (kernels_cpu, kernels_reference, ...) are one module to those who include.
std::string Family(std::string_view module) {
  return module.starts_with("kernels_") ? "kernels" : std::string(module);
}

/// One pass over a tree; collects breaches.
class Checker {
 public:
  Checker(const fs::path& root, const std::vector<std::string>& files, const Modules& modules)
      : root_(root), files_(files.begin(), files.end()) {
    for (const auto& [name, module] : modules) {
      Module& merged = modules_[Family(name)];
      merged.layer = module.layer;
      for (const std::string& dependency : module.depends) {
        merged.depends.insert(Family(dependency));
      }
    }
  }

  std::vector<std::string> Run() {
    for (const std::string& file : files_) {
      CheckName(file);
      CheckText(file);
    }
    return std::move(breaches_);
  }

 private:
  void Report(const std::string& file, const std::string& sentence) {
    const std::string where = line_ == 0 ? file + ": " : file + ":" + std::to_string(line_) + ": ";
    if (reported_.insert(where + sentence).second) breaches_.push_back(where + sentence);
  }

  void CheckName(const std::string& file) {
    line_ = 0;
    if (!Contains(kTopLevel, FirstParts(file, 1))) {
      Report(FirstParts(file, 1), "is no known entry of the root");
    }
    const fs::path path(file);
    const std::string ending = path.extension();
    const bool source = Contains(kSourceEndings, ending);
    if (Contains(kRefusedEndings, ending)) Report(file, "sources end in .h, .cc, .cu or .cuh");
    static const std::regex snake_case("[a-z0-9]+(_[a-z0-9]+)*");
    if (source && !std::regex_match(path.stem().string(), snake_case)) {
      Report(file, "file names are snake_case");
    }
    std::string folder;
    for (const fs::path& part : path.parent_path()) {
      folder += folder.empty() ? part.string() : "/" + part.string();
      if (Contains(kJunkDrawers, part.string())) Report(folder, "is a junk drawer by its name");
      if (source && !std::regex_match(part.string(), snake_case)) {
        Report(folder, "folder names are snake_case");
      }
    }
    CheckDeclared(file);
  }

  void CheckDeclared(const std::string& file) {
    const std::string owner = ModuleOf(file);
    const bool in_module = IsUnder(file, "src") || IsUnder(file, "include");
    if (in_module && !owner.empty() && !modules_.contains(owner)) {
      Report(FirstParts(file, IsUnder(file, "src") ? 2 : 3), "belongs to no declared module");
    }
  }

  /// The module that a file is part of, or, below tests/unit and tests/kernels, the one it tests;
  /// empty for files that belong to none.
  static std::string ModuleOf(const std::string& file) {
    const bool in_folder = std::count(file.begin(), file.end(), '/') > 1;
    if (IsUnder(file, "include/baton")) return Part(file, 2);
    if (IsUnder(file, "src") && in_folder) return Part(file, 1);
    if (IsUnder(file, "tests/unit")) return Part(file, 2);
    if (IsUnder(file, "kernels") || IsUnder(file, "tests/kernels")) return "kernels";
    return "";
  }

  void CheckText(const std::string& file) {
    if (fs::file_size(root_ / file) > kLargestText) return;
    const bool source = Contains(kSourceEndings, fs::path(file).extension().string());
    static const std::regex include(R"re(^\s*#\s*include\s*["<]([^">]+)[">])re");
    const bool declares =
        file.ends_with(".h") &&
        std::any_of(kOperationFolders.begin(), kOperationFolders.end(),
                    [&](std::string_view folder) { return IsUnder(file, folder); });
    std::ifstream in(root_ / file);
    line_ = 0;
    std::string comment;
    for (std::string text; std::getline(in, text);) {
      ++line_;
      if (text.find('\0') != std::string::npos) return;
      CheckMachinePaths(file, text);
      if (declares && text.starts_with("///")) {
        comment += text;
      } else if (declares) {
        CheckContract(file, comment, text);
        comment.clear();
      }
      std::smatch match;
      if (source && std::regex_search(text, match, include)) CheckInclude(file, match[1]);
    }
  }

  /// An operation is a struct of parameters, or whatever speaks of its stream.
  void CheckContract(const std::string& file, const std::string& comment,
                     const std::string& declaration) {
    static const std::regex parameters("struct [A-Za-z]+Params \\{.*");
    if (comment.find("Stream:") == std::string::npos &&
        !std::regex_match(declaration, parameters)) {
      return;
    }
    std::string missing;
    for (std::string_view label : kContract) {
      if (comment.find(label) == std::string::npos) missing += " " + std::string(label);
    }
    if (!missing.empty()) Report(file, "a contract says nothing of" + missing);
  }

  void CheckMachinePaths(const std::string& file, const std::string& text) {
    static const std::string kPathCharacters = "._-$}/";
    for (std::string_view folder : kMachineFolders) {
      const std::string path = "/" + std::string(folder) + "/";
      const std::size_t at = text.find(path);
      if (at == std::string::npos) continue;
      const char before = at == 0 ? ' ' : text[at - 1];
      const bool inside_longer_path = std::isalnum(static_cast<unsigned char>(before)) != 0 ||
                                      kPathCharacters.find(before) != std::string::npos;
      if (!inside_longer_path) Report(file, "names a path of one machine: " + path);
    }
  }

  void CheckInclude(const std::string& file, const std::string& header) {
    if (const std::optional<std::string> target = Resolve(file, header)) {
      CheckOwnHeader(file, *target);
    } else if (const Door* door = FindDoor(header)) {
      CheckDoor(file, header, *door);
    } else if (header.starts_with("baton/")) {
      CheckOwnHeader(file, "include/" + header);
    } else if (!IsSystemHeader(header)) {
      Report(file, "<" + header + "> is of no known library: give it a door in rules.h");
    }
  }

  /// The file of this tree that `header` means, if any.
  std::optional<std::string> Resolve(const std::string& file, const std::string& header) const {
    const std::string beside = fs::path(file).parent_path().string();
    for (const std::string& folder :
         {beside, std::string("include"), std::string("."), std::string("src"),
          std::string("kernels"), std::string("kernels/cuda"), std::string("tests")}) {
      const std::string path = (fs::path(folder) / header).lexically_normal();
      if (files_.contains(path)) return path;
    }
    const bool beside_it = IsUnder(file, "tests") || IsUnder(file, "bench");
    return beside_it ? PrivateHeader(header) : std::nullopt;
  }

  /// Tests and benchmarks name the private headers of their module as the module itself does.
  std::optional<std::string> PrivateHeader(const std::string& header) const {
    for (const std::string& file : files_) {
      if (IsUnder(file, "src") && file.ends_with("/" + header)) return file;
    }
    return std::nullopt;
  }

  void CheckDoor(const std::string& file, const std::string& header, const Door& door) {
    const bool open = std::any_of(door.folders.begin(), door.folders.end(),
                                  [&](std::string_view folder) { return IsUnder(file, folder); });
    if (open) return;
    std::string folders;
    for (std::string_view folder : door.folders) folders += " " + std::string(folder);
    Report(file, "<" + header + "> is " + std::string(door.library) + "; its door is" + folders);
  }

  void CheckOwnHeader(const std::string& file, const std::string& target) {
    if (IsUnder(target, "include")) return CheckLayer(file, Part(target, 2));
    if (IsUnder(target, "tests") || IsUnder(target, "bench")) {
      if (!IsUnder(file, "tests") && !IsUnder(file, "bench")) {
        Report(file, "includes " + target + " of the tests");
      }
      return;
    }
    const bool tests_it = (IsUnder(file, "tests/unit") || IsUnder(file, "tests/kernels")) &&
                          ModuleOf(file) == ModuleOf(target);
    const bool looks_inside = IsUnder(file, "tests/support") || IsUnder(file, "tests/simulation") ||
                              IsUnder(file, "tests/simt") || IsUnder(file, "tests/fuzz");
    const bool measures_it = IsUnder(file, "bench") && Part(file, 1) == ModuleOf(target);
    if (!tests_it && !measures_it && !looks_inside &&
        FirstParts(file, 2) != FirstParts(target, 2)) {
      Report(file, "includes " + target + ", a private header of another module");
    }
  }

  void CheckLayer(const std::string& file, const std::string& target) {
    const std::string owner = ModuleOf(file);
    if (owner.empty() || owner == target || !modules_.contains(owner)) return;
    if (!modules_.contains(target)) {
      Report(file, "includes a header of '" + target + "', which no module declares");
      return;
    }
    const int layer = modules_[owner].layer;
    const int below = modules_[target].layer;
    if (below >= layer) {
      Report(file, "'" + owner + "' of layer " + std::to_string(layer) + " may not include '" +
                       target + "' of layer " + std::to_string(below));
    } else if (!IsUnder(file, "tests") && !modules_[owner].depends.contains(target)) {
      Report(file, "'" + owner + "' includes '" + target + "' but does not declare it in DEPENDS");
    }
  }

  fs::path root_;
  std::set<std::string> files_;
  Modules modules_;
  std::vector<std::string> breaches_;
  std::set<std::string> reported_;
  int line_ = 0;
};

}  // namespace

std::vector<std::string> CheckTree(const fs::path& root, const std::vector<std::string>& files,
                                   const Modules& modules) {
  return Checker(root, files, modules).Run();
}

}  // namespace baton::architecture
