#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "baton/config/config.h"

namespace baton::config {

/// A member of Config; its type says how its text is read.
using Slot = std::variant<bool*, int32_t*, int64_t*, Duration*, std::string*,
                          std::vector<std::string>*, DType*, LogLevel*>;

/// One row of the table from which parsing, printing, messages and documentation come.
struct Key {
  std::string path{};
  std::function<Slot(Config&)> slot{};
  std::string help{};
  /// Least and greatest value: a number, bytes or nanoseconds.
  int64_t least = 0;
  int64_t greatest = std::numeric_limits<int64_t>::max();
  /// The only values accepted, where there are such.
  std::vector<std::string> choices{};
  /// Further check of a string; fails with a message that says what is accepted.
  std::function<Status(const std::string&)> check{};
  /// A path: in a file of configuration relative to its folder.
  bool is_file = false;
  /// What a checked string looks like, e.g. "core numbers like 0-3,8".
  std::string form{};
  /// A running server takes another value from its file; the others need a restart.
  bool live = false;

  bool is_list() const;
  /// A list that may also be written as its only item.
  bool takes_one_or_more() const { return !choices.empty() && is_list(); }
};

/// All keys, grouped by section, in the order in which they are printed.
const std::vector<Key>& Keys();
/// Null where there is no such key.
const Key* FindKey(std::string_view path);
/// The names one level below `section` ("" is the top), in the order of the table; empty where
/// there is no such section.
std::vector<std::string> NamesIn(const std::string& section);

}  // namespace baton::config
