#pragma once

#include "simt/machine.h"

namespace baton::simt {

/// setmaxnreg: the calling warp has `registers` for each thread from now on; more than it had
/// (`takes`) once others of the block have given back enough.
void SetRegisters(int registers, bool takes, Site site);

}  // namespace baton::simt
