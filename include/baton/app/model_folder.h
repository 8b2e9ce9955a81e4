#pragma once

#include <filesystem>

#include "baton/base/status.h"
#include "baton/config/config.h"

namespace baton::app {

/// Whether the files of a model are there; those of its weights too unless they are made up. Fails
/// with NotFound naming the first that is missing.
Status CheckModelFolder(const std::filesystem::path& folder, bool random_weights);

/// Whether the model can be shared by as many ranks as each group of workers has. Fails with
/// InvalidArgument naming the key and what would fit, or as model::ModelConfig::Load does.
Status CheckTensorParallelism(const config::Config& config);

}  // namespace baton::app
