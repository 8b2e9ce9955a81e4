#include <ucm/api/ucm.h>

#include "ucx_library.h"

/// Takes the place of libucm's function of this name, which libucs calls while it is loaded, before
/// main: the original patches mmap, munmap, madvise and their like in the running process unless
/// this option is off, and nothing can take that back later. We register our one region ourselves,
/// so nobody needs the hooks.
extern "C" void ucm_set_global_opts(const ucm_global_config_t* options) {
  ucm_global_opts = *options;
  ucm_global_opts.enable_events = 0;
  ucm_global_opts.enable_malloc_hooks = 0;
  ucm_global_opts.enable_malloc_reloc = 0;
}

namespace baton::transport {

bool UcxHooksMemory() { return ucm_global_opts.enable_events != 0; }

}  // namespace baton::transport
