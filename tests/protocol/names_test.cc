#include <algorithm>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/handoff/outcome.h"

/// The states and messages of the hand-off have the same names in the code, in the tables of
/// proto/README.md and in the model that spin explores.
namespace baton::handoff {
namespace {

using Names = std::set<std::string>;

std::string ReadText(const std::string& path) {
  std::ifstream file(std::string(BATON_SOURCE_DIR) + "/" + path);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << path;
  return text.str();
}

std::string Trim(const std::string& text) {
  const size_t begin = text.find_first_not_of(" `\n");
  return begin == std::string::npos ? ""
                                    : text.substr(begin, text.find_last_not_of(" `\n") + 1 - begin);
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(Trim(part));
  return parts;
}

/// What `pattern`'s group holds in `text`, split at commas and stripped of `prefix`.
Names ListIn(const std::string& text, const std::string& pattern, const std::string& prefix) {
  std::smatch found;
  EXPECT_TRUE(std::regex_search(text, found, std::regex(pattern))) << pattern;
  Names names;
  for (std::string name : Split(found[1], ',')) {
    name = name.substr(0, name.find(' '));  // An enumerator may have a value.
    if (name.empty()) continue;
    EXPECT_TRUE(name.starts_with(prefix)) << name;
    names.insert(name.substr(prefix.size()));
  }
  return names;
}

/// kQueued -> queued.
Names LowerFirst(const Names& names) {
  Names lower;
  for (std::string name : names) {
    name[0] = static_cast<char>(std::tolower(name[0]));
    lower.insert(name);
  }
  return lower;
}

/// The cells of the table below the line that begins with `heading`.
std::vector<std::vector<std::string>> TableBelow(const std::string& heading) {
  const std::string text = ReadText("proto/README.md");
  std::istringstream lines(text.substr(std::min(text.size(), text.find(heading))));
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("|")) {
      rows.push_back(Split(line.substr(1), '|'));
    } else if (!rows.empty()) {
      break;
    }
  }
  EXPECT_GT(rows.size(), 2u) << heading;
  rows.erase(rows.begin(), rows.begin() + std::min<int64_t>(2, static_cast<int64_t>(rows.size())));
  return rows;
}

/// The states of a table: the first column, where "-" is before the first, and the last one.
Names StatesOfTable(const std::string& heading) {
  Names states;
  for (const auto& row : TableBelow(heading)) {
    for (const std::string& state : Split(row.front(), ',')) states.insert(state);
    states.insert(row.back());
  }
  states.erase("-");
  states.erase("same");
  return states;
}

Names StatesOfCode(const std::string& header) {
  Names states =
      LowerFirst(ListIn(ReadText(header), R"(enum class State : uint8_t \{([^}]*)\})", "k"));
  states.insert("gone");  // Has no entry, and so no enumerator.
  return states;
}

Names NamesOfModel(const std::string& type, const std::string& prefix) {
  return ListIn(ReadText("tests/protocol/handoff.pml"), "mtype:" + type + R"( = \{([^}]*)\})",
                prefix);
}

TEST(ProtocolNames, StatesOfTheDecodeSideAreTheSameInCodeTableAndModel) {
  const Names states = StatesOfCode("src/handoff/decode_impl.h");
  EXPECT_EQ(StatesOfTable("## 3. The decode side"), states);
  EXPECT_EQ(NamesOfModel("decode", "d_"), states);
}

TEST(ProtocolNames, StatesOfThePrefillSideAreTheSameInCodeTableAndModel) {
  const Names states = StatesOfCode("src/handoff/prefill_impl.h");
  EXPECT_EQ(StatesOfTable("## 4. The prefill side"), states);
  EXPECT_EQ(NamesOfModel("prefill", "p_"), states);
}

TEST(ProtocolNames, MessagesAreTheSameInCodeTableAndModel) {
  const Names kinds =
      ListIn(ReadText("src/handoff/wire.h"), R"(enum class Kind : uint8_t \{([^}]*)\})", "k");
  EXPECT_EQ(NamesOfModel("message", ""), kinds);
  Names table;
  for (const auto& row : TableBelow("| Kind | Message |")) {
    ASSERT_EQ(row.size(), 4u);
    const std::string by = row[2].starts_with("D") ? "ByDecode" : "ByPrefill";
    table.insert(row[1] == "Abort" ? row[1] + by : row[1]);
  }
  EXPECT_EQ(table, kinds);
}

TEST(ProtocolNames, ReasonsToDropAMessageAreTheSameInCodeAndTable) {
  Names code;
  for (size_t i = 0; i < kIgnored; ++i) code.emplace(IgnoredName(static_cast<Ignored>(i)));
  Names table;
  for (const auto& row : TableBelow("| Reason | When |")) table.insert(row.front());
  EXPECT_EQ(table, code);
}

}  // namespace
}  // namespace baton::handoff
