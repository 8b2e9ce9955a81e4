#include "crc32c.h"

namespace baton::handoff {

Crc32cFunction Crc32cHardware() { return nullptr; }

}  // namespace baton::handoff
