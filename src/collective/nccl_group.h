#pragma once

#include <memory>
#include <vector>

#include "baton/collective/communicator.h"
#include "baton/nccl/library.h"

namespace baton::collective {

/// MakeNcclGroup() with a library that is loaded already, or a fake of it.
Result<Group> MakeNcclGroupOf(const std::shared_ptr<nccl::Library>& library,
                              const std::vector<int>& devices, bool deterministic);

}  // namespace baton::collective
