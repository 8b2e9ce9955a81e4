#pragma once

#include <string>
#include <vector>

#include "baton/base/status.h"

namespace baton::app {

/// Whether a report can be written there, before hours are spent on it. Fails with
/// InvalidArgument naming the flag.
Status CheckWritable(const char* flag, const std::string& path);
/// Fails with Unavailable.
Status WriteReport(const std::string& path, const std::string& text);

/// Puts the JSON files of runs on one page. Fails with InvalidArgument for what is no such file.
Status CompareRuns(const std::vector<std::string>& files, const std::string& page);

}  // namespace baton::app
