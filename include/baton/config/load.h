#pragma once

#include <string>
#include <vector>

#include "baton/base/status.h"
#include "baton/config/config.h"

namespace baton::config {

/// A value from outside the file.
struct Override {
  /// A key path, e.g. "router.port".
  std::string path;
  std::string value;
  /// What the reader typed, for messages: "--port", "--set router.port".
  std::string where;
};

/// Where values come from; later ones win: defaults, file, environment, command line.
struct Sources {
  /// A YAML file; empty: none.
  std::string file;
  /// Variables of the environment as NAME=value; those that do not start with BATON_ are ignored.
  std::vector<std::string> environment;
  std::vector<Override> command_line;
};

enum class Origin : uint8_t { kDefault = 0, kFile = 1, kEnvironment = 2, kCommandLine = 3 };

/// A key, the value in force as YAML, and where that comes from.
struct Setting {
  std::string path;
  std::string value;
  Origin origin = Origin::kDefault;
  /// "default", "configs/local.yaml:7:3", "BATON_ROUTER_PORT", "--port".
  std::string where;
};

struct Loaded {
  Config config;
  /// Every key, in the order of the schema.
  std::vector<Setting> settings;
  /// E.g. BATON_ variables that name no key.
  std::vector<std::string> warnings;
};

/// Fails with InvalidArgument; the message has one line per error, all errors at once.
Result<Loaded> LoadConfig(const Sources& sources);

/// All settings as YAML that loads to the same configuration, each with its origin as a comment.
std::string PrintConfig(const Loaded& loaded);

/// The variables of this process as LoadConfig takes them.
std::vector<std::string> ProcessEnvironment();

}  // namespace baton::config
