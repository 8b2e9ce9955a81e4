#pragma once

#include <optional>

#include "baton/base/clock.h"
#include "baton/base/file_watch.h"
#include "baton/config/edit.h"
#include "baton/config/load.h"

namespace baton::app {

/// Notices edits of the configuration's file and reads them as at the start: the whole file, under
/// the environment and the command line. *Threads*: lives on one thread.
class ConfigWatch {
 public:
  static constexpr Duration kInterval = std::chrono::milliseconds(500);

  /// `in_force` was loaded from `sources`; without a file nothing is ever noticed.
  /// REQUIRES: `clock` outlives this.
  ConfigWatch(config::Sources sources, config::Loaded in_force, const Clock& clock);

  /// What the file has come to say, once for each edit: other values that all can be taken live, or
  /// why it is refused. Nothing where it says what is in force, and while it is still being
  /// written: it is read when it has been the same for an interval.
  std::optional<Result<config::Loaded>> Look();
  /// That is in force from now on.
  void Accept(config::Loaded loaded) { in_force_ = std::move(loaded); }
  const config::Loaded& in_force() const { return in_force_; }

 private:
  const config::Sources sources_;
  config::Loaded in_force_;
  const Clock& clock_;
  FileWatch watch_;
  /// When to read it; at first, since it may have been edited before this watched.
  std::optional<TimePoint> due_;
};

}  // namespace baton::app
