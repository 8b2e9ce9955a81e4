#include <algorithm>
#include <cctype>

#include "baton/config/load.h"
#include "baton/config/schema.h"
#include "schema.h"
#include "values.h"

namespace baton::config {
namespace {

std::vector<std::string> SplitPath(const std::string& path) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t dot; (dot = path.find('.', begin)) != std::string::npos; begin = dot + 1) {
    parts.push_back(path.substr(begin, dot - begin));
  }
  parts.push_back(path.substr(begin));
  return parts;
}

}  // namespace

std::string PrintConfig(const Loaded& loaded) {
  constexpr size_t kCommentColumn = 44;
  std::string text;
  std::vector<std::string> open;
  for (const Setting& setting : loaded.settings) {
    const std::vector<std::string> parts = SplitPath(setting.path);
    const size_t last = parts.size() - 1;
    const auto differs = std::mismatch(open.begin(), open.end(), parts.begin(), parts.end() - 1);
    open.erase(differs.first, open.end());
    for (size_t depth = open.size(); depth < last; ++depth) {
      text += std::string(2 * depth, ' ') + parts[depth] + ":\n";
      open.push_back(parts[depth]);
    }
    std::string line = std::string(2 * last, ' ') + parts[last] + ": " + setting.value;
    if (line.size() < kCommentColumn) line.resize(kCommentColumn, ' ');
    text += line + "  # " + setting.where + "\n";
  }
  return text;
}

std::string EnvironmentName(const std::string& path) {
  std::string name = "BATON_" + path;
  for (char& c : name) {
    c = c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

std::vector<KeyInfo> DescribeKeys() {
  std::vector<KeyInfo> keys;
  const Config defaults;
  for (const Key& key : Keys()) {
    keys.push_back({key.path, Accepted(key), Render(key, defaults), key.help, key.live});
  }
  return keys;
}

std::string KeysAsMarkdown() {
  std::string text = "| Key | Default | Accepted | Taken | Meaning |\n|---|---|---|---|---|\n";
  for (const KeyInfo& key : DescribeKeys()) {
    text += "| `" + key.path + "` | `" + key.default_value + "` | " + key.accepted + " | " +
            (key.live ? "live" : "restart") + " | " + key.help + " |\n";
  }
  return text;
}

}  // namespace baton::config
