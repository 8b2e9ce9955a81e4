#include "baton/config/schema.h"

#include <fstream>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config_file.h"

namespace baton::config {
namespace {

using testing::HasSubstr;

std::string ReadAll(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(Schema, GivesEachKeyItsOwnEnvironmentName) {
  std::set<std::string> names;
  for (const KeyInfo& key : DescribeKeys()) {
    EXPECT_TRUE(names.insert(EnvironmentName(key.path)).second) << key.path;
  }
  EXPECT_TRUE(names.contains("BATON_WORKERS_PREFILL_KV_MEMORY"));
}

TEST(Schema, DescribesEveryKey) {
  for (const KeyInfo& key : DescribeKeys()) {
    EXPECT_NE(key.help, "") << key.path;
    EXPECT_NE(key.accepted, "") << key.path;
    EXPECT_NE(key.default_value, "") << key.path;
  }
}

TEST(Schema, AcceptsEveryDefaultThatItStates) {
  std::vector<Override> overrides;
  for (const KeyInfo& key : DescribeKeys()) {
    if (key.path.ends_with(".count") || key.path == "model") continue;
    const bool text = key.default_value == "\"\"" || key.default_value == "[]";
    overrides.push_back({key.path, text ? "" : key.default_value, "--set " + key.path});
  }
  const Result<Loaded> loaded = Load("model: m\n", {}, overrides);
  EXPECT_TRUE(loaded.ok()) << loaded.status();
}

TEST(Schema, IsTheTableInTheReadme) {
  const std::string readme = ReadAll(BATON_SOURCE_DIR "/configs/README.md");
  EXPECT_THAT(readme, HasSubstr(KeysAsMarkdown()))
      << "replace the table in configs/README.md by the output of: baton keys";
}

TEST(Schema, LoadsEveryExample) {
  int examples = 0;
  for (const auto& entry : std::filesystem::directory_iterator(BATON_SOURCE_DIR "/configs")) {
    if (entry.path().extension() != ".yaml") continue;
    const Result<Loaded> loaded = LoadConfig({entry.path().string(), {}, {}});
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    ++examples;
  }
  EXPECT_GE(examples, 1);
}

}  // namespace
}  // namespace baton::config
