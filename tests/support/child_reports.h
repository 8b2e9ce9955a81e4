#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace baton::test {

/// What the sanitizers of this process's children report while this is there, however deep below it
/// they are and however they end: each writes into a folder, to which the environment points. Where
/// nothing is sanitized there is nothing. *Threads*: no other may use the environment while this is
/// built or goes.
class ChildReports {
 public:
  ChildReports();
  ~ChildReports();
  ChildReports(const ChildReports&) = delete;
  ChildReports& operator=(const ChildReports&) = delete;

  /// The reports since the last call.
  std::vector<std::string> Take();

 private:
  std::filesystem::path folder_;
  /// The variables that were changed, and what they were.
  std::vector<std::pair<const char*, std::optional<std::string>>> before_;
};

}  // namespace baton::test
