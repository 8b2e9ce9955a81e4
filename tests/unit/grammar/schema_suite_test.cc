#include <filesystem>
#include <fstream>
#include <iostream>

#include <nlohmann/json.hpp>

#include "baton/grammar/sources.h"
#include "unit/grammar/grammar_samples.h"

namespace baton::grammar {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Counts {
  int groups = 0, compiled = 0;
  int valid = 0, valid_taken = 0, invalid = 0;
};

/// As a model might write it: without white space, with it, and with all but ASCII escaped.
std::vector<std::string> Spellings(const Json& value) {
  return {value.dump(), value.dump(2), value.dump(-1, ' ', true)};
}

bool AnyTaken(const std::shared_ptr<const Grammar>& grammar, const Json& value) {
  for (const std::string& spelling : Spellings(value)) {
    Matcher matcher(grammar, Bytes());
    if (matcher.AcceptBytes(spelling) && matcher.MayEnd()) return true;
  }
  return false;
}

void Check(const Json& group, const std::string& where, Counts& counts) {
  ++counts.groups;
  const auto text = FromJsonSchema(group["schema"].dump());
  if (!text.ok()) {
    EXPECT_EQ(text.status().code(), StatusCode::kInvalidArgument);
    return;
  }
  const auto grammar = Grammar::Compile(*text);
  if (!grammar.ok()) {
    EXPECT_THAT(grammar.status().message(), testing::HasSubstr("matches no text"))
        << where << group["schema"] << "\n"
        << *text;
    return;
  }
  ++counts.compiled;
  for (const Json& test : group["tests"]) {
    const bool taken = AnyTaken(*grammar, test["data"]);
    if (test["valid"]) {
      ++counts.valid;
      counts.valid_taken += taken ? 1 : 0;
      if (!taken && std::getenv("BATON_SHOW_REFUSED") != nullptr) {
        std::cout << where << " " << group["schema"] << " refuses " << test["data"] << "\n";
      }
    } else {
      ++counts.invalid;
      EXPECT_FALSE(taken) << where << ": " << group["schema"] << "\ntakes the invalid "
                          << test["data"] << "\n"
                          << *text;
    }
  }
}

Counts CheckFolder(const fs::path& folder) {
  Counts counts;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    // What a string contains is an annotation since 2019-09.
    if (entry.path().filename() == "content.json") continue;
    std::ifstream in(entry.path());
    for (const Json& group : Json::parse(in)) {
      Check(group, entry.path().filename().string() + ", " + group["description"].dump(), counts);
    }
  }
  std::cout << folder.filename().string() << ": " << counts.compiled << " of " << counts.groups
            << " schemas compile; of their instances " << counts.invalid
            << " invalid ones are refused, " << counts.valid_taken << " of " << counts.valid
            << " valid ones are taken\n";
  return counts;
}

/// The suite is not part of the tree. What it calls valid may be refused: another order of
/// properties, types that no keyword speaks of, and so on; README.md says which.
class SchemaSuite : public ::testing::TestWithParam<const char*> {};

TEST_P(SchemaSuite, TakesNoInvalidInstance) {
  const fs::path folder =
      fs::path(BATON_SOURCE_DIR "/../shared/data/json-schema/test-suite/tests") / GetParam();
  if (!fs::exists(folder)) GTEST_SKIP() << folder << " is not here";
  const Counts counts = CheckFolder(folder);
  EXPECT_GT(counts.compiled, 100);
  EXPECT_GT(counts.invalid, 300);
  EXPECT_GT(counts.valid_taken, 300);
}

INSTANTIATE_TEST_SUITE_P(Drafts, SchemaSuite, ::testing::Values("draft7", "draft2020-12"),
                         [](const auto& draft) {
                           std::string name = draft.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace baton::grammar
