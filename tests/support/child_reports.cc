#include "support/child_reports.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace baton::test {

namespace fs = std::filesystem;

ChildReports::ChildReports() {
  std::string name = fs::temp_directory_path() / "baton-reports-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) std::abort();
  folder_ = name;
  const std::string option = "log_path=" + (folder_ / "of").string();
  for (const char* const variable : {"ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}) {
    const char* const before = std::getenv(variable);
    before_.emplace_back(variable,
                         before == nullptr ? std::nullopt : std::optional<std::string>(before));
    // Later options win over earlier ones.
    setenv(variable, before == nullptr ? option.c_str() : (before + (":" + option)).c_str(), 1);
  }
}

ChildReports::~ChildReports() {
  for (const auto& [variable, before] : before_) {
    before ? setenv(variable, before->c_str(), 1) : unsetenv(variable);
  }
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

std::vector<std::string> ChildReports::Take() {
  std::vector<std::string> reports;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    std::ostringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    reports.push_back(std::move(text).str());
    fs::remove(entry.path());
  }
  return reports;
}

}  // namespace baton::test
