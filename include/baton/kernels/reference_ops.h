#pragma once

#include "baton/ops/ops.h"

namespace baton::kernels {

/// Plain loops in double precision: the oracle. Linked by tests only.
const ops::Ops& ReferenceOps();

}  // namespace baton::kernels
