#pragma once

#include <string>
#include <vector>

#include "baton/base/status.h"
#include "baton/config/load.h"

namespace baton::config {

/// A key that an edit of the configuration gives another value; values are as YAML.
struct Change {
  std::string path;
  std::string from;
  std::string to;
  /// Where the new value comes from.
  std::string where;
  bool live = false;
};

/// In the order of the schema. What comes from the environment and the command line wins as it does
/// at the start, so that an edit of such a key in the file changes nothing.
std::vector<Change> ChangesBetween(const Loaded& in_force, const Loaded& edited);

/// Whether a running server can take all of an edit. Fails with FailedPrecondition, one line for
/// each key that needs a restart.
Status CheckLive(const Loaded& in_force, const Loaded& edited);

/// "router.policy is least_loaded, was cost; log_level is debug, was info".
std::string DescribeChanges(const std::vector<Change>& changes);

}  // namespace baton::config
