#pragma once

#include <string>
#include <vector>

#include "schema.h"

namespace baton::config {

/// A key's value as the file has it.
struct FileValue {
  const Key* key = nullptr;
  /// Of a list.
  std::vector<std::string> items;
  /// Of any other key.
  std::string text;
  /// "configs/local.yaml:7:3".
  std::string where;
};

struct FileContents {
  std::vector<FileValue> values;
  /// One line each: "configs/local.yaml:7:3: unknown key 'prefil' ...".
  std::vector<std::string> errors;
};

/// Reads one YAML document; `name` is the file's name in messages.
FileContents ParseYaml(const std::string& name, const std::string& text);

}  // namespace baton::config
