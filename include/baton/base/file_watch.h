#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include "baton/base/clock.h"

namespace baton {

/// Notices that files were written or replaced, when asked. Two changes within one tick of the file
/// system's clock that leave the size are one. *Threads*: lives on one thread.
class FileWatch {
 public:
  /// Looks at most every `interval`. REQUIRES: `clock` outlives this.
  FileWatch(std::vector<std::string> files, Duration interval, const Clock& clock);

  /// Whether any file is other than at the last look, and it is time to look. A file that is not
  /// there counts as unchanged: it is being replaced.
  bool Changed();

 private:
  struct Look {
    dev_t device = 0;
    ino_t inode = 0;
    off_t bytes = 0;
    int64_t modified_ns = 0;
    bool operator==(const Look&) const = default;
  };
  /// Leaves `look` as it is where there is no file.
  static void LookAt(const std::string& file, Look& look);

  const std::vector<std::string> files_;
  const Duration interval_;
  const Clock& clock_;
  std::vector<Look> looks_;
  TimePoint next_;
};

}  // namespace baton
