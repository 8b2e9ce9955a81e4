#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "baton/base/status.h"
#include "baton/discovery/source.h"

namespace baton::discovery {

/// A file of workers: one per line as name=host:port, or as host:port where a worker names itself;
/// everything behind a # is a comment, and each line may begin with a dash, as a list in YAML.
/// Fails with InvalidArgument naming the line.
Result<std::vector<Place>> ParsePlaces(std::string_view text, const std::string& file);

}  // namespace baton::discovery
