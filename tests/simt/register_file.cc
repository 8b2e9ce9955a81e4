#include "simt/register_file.h"

#include <map>

namespace baton::simt {
namespace {

constexpr int kRegisters = 65536;

/// A block whose kernel is capped at one block a multiprocessor starts with all registers, evenly.
struct RegisterFile {
  std::map<int, int> of_warp;
  int free = 0;

  int Of(int warp) {
    const dim3& block = Self().block_dim;
    const int threads = static_cast<int>(block.x * block.y * block.z);
    return of_warp.try_emplace(warp, kRegisters / threads / 8 * 8).first->second;
  }
};

}  // namespace

void SetRegisters(int registers, bool takes, Site site) {
  MeetLanes(0xffffffffu, "setmaxnreg", nullptr, nullptr, site);
  RegisterFile& file = OfBlock<RegisterFile>();
  const int warp = Self().warp;
  const int more = registers - file.Of(warp);
  // The first lane acts for its warp, the others follow.
  if (Self().lane == 0) {
    if (takes ? more < 0 : more > 0) Fail("setmaxnreg in the wrong direction", site);
    // Another warp may have taken them by the time that this one goes on.
    while (takes && file.free < 32 * more) {
      WaitUntil(
          "setmaxnreg", [&] { return file.free >= 32 * more; }, site);
    }
    file.free -= 32 * more;
    file.of_warp[warp] = registers;
  }
  MeetLanes(0xffffffffu, "setmaxnreg", nullptr, nullptr, site);
}

}  // namespace baton::simt
