#pragma once

#include <filesystem>

#include "baton/base/status.h"

namespace baton::app {

/// Whether the files of a model are there. Fails with NotFound naming the first that is missing.
Status CheckModelFolder(const std::filesystem::path& folder);

}  // namespace baton::app
