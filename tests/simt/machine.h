#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <source_location>
#include <span>
#include <stdexcept>
#include <string>
#include <typeindex>

#include <vector_types.h>

/// CUDA's execution model on one thread of the host: a block's threads are fibers, blocks run one
/// after the other. What kernels see of it is in device.h; this is what emulations of instructions
/// (ptx/) are written with. README.md says how.
namespace baton::simt {

using Site = std::source_location;

/// What a kernel did wrong, thrown by Launch: a deadlock, a barrier that threads met in different
/// places, lanes that never came. Says which threads wait where.
class Fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// In which order blocks and threads run from now on. 0: blocks and threads in their order, each
/// thread until it waits, asynchronous work as late as possible. Else drawn from the seed.
void SetSchedule(uint64_t seed);

struct Grid {
  dim3 grid;
  dim3 block;
  size_t shared_bytes = 0;
  /// Blocks run at the same time and may wait for each other, but have no shared memory.
  bool together = false;
  /// Those before it are taken not to have ended: until all threads of a block have come to
  /// AwaitKernelsBefore(), they may read constants only. Each must come there.
  bool early = false;
};

/// Runs `kernel` once for each thread of the grid. Throws Fault.
void RunGrid(const Grid& grid, const std::function<void()>& kernel);

/// The indices of the running thread. REQUIRES, as all below: called by a kernel.
struct Indices {
  uint3 thread{};
  uint3 block{};
  dim3 block_dim;
  dim3 grid_dim;
  /// Of the thread within its block.
  int linear = 0;
  int warp = 0;
  int lane = 0;
};
const Indices& Self();

/// Ends the launch with a Fault about the running thread.
[[noreturn]] void Fail(const std::string& what, Site site = Site::current());

/// Lets the other threads go first, where the schedule is drawn; else does nothing.
void Yield();

/// A thread that came to a meeting, with what it brought.
struct Arrival {
  int linear = 0;
  void* brought = nullptr;
  Site site;
};

/// One call for all that met, made by the last to come, before any goes on; sorted by thread.
using Together = void (*)(std::span<const Arrival>);

/// Waits for the lanes of `mask` that exist. All must come from the same place with the same mask.
void MeetLanes(uint32_t mask, const char* what, void* brought, Together together, Site site);
/// Waits for the four warps of the thread's warpgroup. All must come from the same place.
void MeetWarpgroup(const char* what, void* brought, Together together, Site site);
/// Waits for all threads of the block (__syncthreads). All must come from the same place.
void MeetBlock(const char* what, void* brought, Together together, Site site);

/// Hardware barriers 0 to 15, of which 0 is __syncthreads': waits until `threads` have arrived, or
/// only counts as one that has. REQUIRES: threads % 32 == 0.
void BarrierSync(int id, int threads, Site site = Site::current());
void BarrierArrive(int id, int threads, Site site = Site::current());

/// The lanes of a warp together: `compute` finds what lane i brought in lanes[i], null for those
/// outside `mask`, and writes what each takes home into the same place. `Bring` is any struct.
template <class Bring>
using LanesCompute = void (*)(Bring* const (&lanes)[32]);

template <class Bring>
void WarpCollective(const char* what, Bring& mine, LanesCompute<Bring> compute,
                    uint32_t mask = 0xffffffffu, Site site = Site::current()) {
  struct Call {
    Bring* mine;
    LanesCompute<Bring> compute;
  } call{&mine, compute};
  MeetLanes(
      mask, what, &call,
      [](std::span<const Arrival> arrivals) {
        Bring* lanes[32] = {};
        for (const Arrival& arrival : arrivals) {
          lanes[arrival.linear % 32] = static_cast<Call*>(arrival.brought)->mine;
        }
        static_cast<Call*>(arrivals[0].brought)->compute(lanes);
      },
      site);
}

/// The same for the 128 threads of a warpgroup.
template <class Bring>
using WarpgroupCompute = void (*)(Bring* const (&threads)[128]);

template <class Bring>
void WarpgroupCollective(const char* what, Bring& mine, WarpgroupCompute<Bring> compute,
                         Site site = Site::current()) {
  struct Call {
    Bring* mine;
    WarpgroupCompute<Bring> compute;
  } call{&mine, compute};
  MeetWarpgroup(
      what, &call,
      [](std::span<const Arrival> arrivals) {
        Bring* threads[128] = {};
        for (const Arrival& arrival : arrivals) {
          threads[arrival.linear % 128] = static_cast<Call*>(arrival.brought)->mine;
        }
        static_cast<Call*>(arrivals[0].brought)->compute(threads);
      },
      site);
}

/// Waits until ready(context), which must change nothing.
void WaitUntil(const char* what, bool (*ready)(const void*), const void* context, Site site);

/// Waits until `ready` yields true: a spin on an mbarrier, a flag.
template <class Ready>
void WaitUntil(const char* what, const Ready& ready, Site site = Site::current()) {
  WaitUntil(
      what, [](const void* context) { return (*static_cast<const Ready*>(context))(); }, &ready,
      site);
}

/// Waits for the kernels before, and in a grid that began early for the block's other threads,
/// since memory is all threads'.
void AwaitKernelsBefore(Site site);

/// Work of an engine beside the threads (a bulk copy, a tensor core's): done at some later time, in
/// any order, at the latest when no thread could go on without it; in drawn schedules some of it
/// only when nothing else can be done at all. A block that ends before it is done is a Fault.
void Later(const char* what, std::function<void()> work);

/// State that each thread, or the block, has of its own from its start; one per type.
template <class T>
T& OfThread();
template <class T>
T& OfBlock();

/// The block's dynamic shared memory, filled with 0xFF before each block, its end at a page that
/// cannot be touched.
std::byte* DynamicSharedBytes();
/// Likewise the place of a variable in static shared memory, by its type.
std::byte* StaticSharedBytes(std::type_index type, size_t bytes, size_t alignment);

/// A shared address as 32 bits, as instructions take it, and back. Fails on other addresses.
uint32_t SharedAddress(const void* shared);
std::byte* SharedAt(uint32_t address);

/// Memory of the "device": 0xFF, ends at a page that cannot be touched (to 16 bytes). Bytes beside
/// it that were written end the process when it is freed.
std::shared_ptr<std::byte> GuardedBytes(size_t bytes);
/// No kernel writes what GuardedBytes gave here: any may read it at any time.
void SetConstant(const std::byte* array);

std::shared_ptr<void>& ThreadSlot(std::type_index type);
std::shared_ptr<void>& BlockSlot(std::type_index type);

template <class T>
T& OfThread() {
  std::shared_ptr<void>& slot = ThreadSlot(typeid(T));
  if (slot == nullptr) slot = std::make_shared<T>();
  return *static_cast<T*>(slot.get());
}

template <class T>
T& OfBlock() {
  std::shared_ptr<void>& slot = BlockSlot(typeid(T));
  if (slot == nullptr) slot = std::make_shared<T>();
  return *static_cast<T*>(slot.get());
}

}  // namespace baton::simt
