#pragma once

#include <string>
#include <vector>

namespace baton::config {

/// A key of the configuration, as people read about it.
struct KeyInfo {
  std::string path;
  /// The values it takes, e.g. "integer from 0 to 65535".
  std::string accepted;
  /// As YAML.
  std::string default_value;
  std::string help;
  /// A running server takes another value from its file.
  bool live = false;
};

/// Every key, in the order in which they are printed.
std::vector<KeyInfo> DescribeKeys();

/// "router.port" -> "BATON_ROUTER_PORT".
std::string EnvironmentName(const std::string& path);

/// The table of all keys in configs/README.md.
std::string KeysAsMarkdown();

}  // namespace baton::config
