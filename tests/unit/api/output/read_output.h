#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "baton/api/output_reader.h"

namespace baton::api {

/// `text` by characters.
std::vector<std::string> Characters(std::string_view text);

/// What a reader makes of `pieces` and the end, joined.
ChoiceDelta ReadOutput(const OutputReading& reading, const std::vector<std::string>& pieces);
inline ChoiceDelta ReadOutput(const OutputReading& reading, const std::string& text) {
  return ReadOutput(reading, std::vector{text});
}

/// "name(arguments)" of each call.
std::vector<std::string> Calls(const ChoiceDelta& output);

}  // namespace baton::api
