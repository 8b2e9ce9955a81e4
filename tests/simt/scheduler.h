#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <typeindex>
#include <vector>

#include "simt/fiber.h"
#include "simt/guarded_bytes.h"
#include "simt/machine.h"
#include "simt/shared_arena.h"

namespace baton::simt {

enum class State { kReady, kMeets, kPolls, kExited };

using Slots = std::map<std::type_index, std::shared_ptr<void>>;

struct Block;

struct Thread {
  Fiber fiber;
  Block* block = nullptr;
  Indices self;
  State state = State::kReady;
  const char* waits_for = "";
  Site site;
  bool (*ready)(const void*) = nullptr;
  const void* context = nullptr;
  Slots slots;
  /// It has not come to AwaitKernelsBefore().
  bool early = false;
};

/// "emulator_test.cc:42", "thread (1,0,0) of block (0,0,0)".
std::string Place(const Site& site);
std::string Name(const Thread& thread);

/// Threads that wait for each other.
struct Meeting {
  uint32_t mask = 0;
  const char* what = "";
  Together together = nullptr;
  std::vector<Arrival> arrivals;
  /// Arrivals that do not wait; barriers only.
  int counted = 0;
  /// How many end it; of a hardware barrier 0 while nobody came.
  int expected = 0;
  /// Whether all must come from one place.
  bool one_site = true;
};

inline constexpr int kBarriers = 16;

/// Draws schedules: a draw for every switch of threads, so a quick one. Source: Steele, Lea, Flood,
/// "Fast splittable pseudorandom number generators", 2014.
class Draws {
 public:
  explicit Draws(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t word = state_ += 0x9E3779B97F4A7C15;
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB;
    return word ^ (word >> 31);
  }
  /// Uniform in [0, bound), as good as. REQUIRES: 0 < bound < 2^32.
  uint64_t Below(uint64_t bound) { return (Next() >> 32) * bound >> 32; }

 private:
  uint64_t state_;
};

/// The lanes of a warp: what meets, and who is there no more.
struct Lanes {
  std::vector<Meeting> meetings;
  uint32_t exited = 0;
};

/// A block that runs. *Ownership*: its threads keep their stacks for the next block.
struct Block {
  std::vector<std::unique_ptr<Thread>> threads;
  /// That have not exited.
  int live = 0;
  /// That have not come to AwaitKernelsBefore().
  int early = 0;
  Slots slots;
  std::vector<Lanes> warps;
  std::vector<Meeting> warpgroups;
  Meeting barriers[kBarriers];
};

/// Runs the threads of one block after the other, or of blocks that run together, until all have
/// exited. machine.h says what its functions mean. *Invariants*: outside of Resume no thread runs;
/// a thread is in ready_, in pollers_, in one meeting's arrivals, or has exited.
class Scheduler {
 public:
  void SetSchedule(uint64_t seed);
  void RunGrid(const Grid& grid, const std::function<void()>& kernel);

  Thread& self();
  /// Unwinds the thread's stack, or that of the scheduler, which does the work of engines.
  [[noreturn]] void Fail(const std::string& what, const Site& site) const;
  void Yield();
  void MeetLanes(uint32_t mask, const char* what, void* brought, Together together,
                 const Site& site);
  void MeetWarpgroup(const char* what, void* brought, Together together, const Site& site);
  void MeetBlock(const char* what, void* brought, Together together, const Site& site);
  void Barrier(int id, int threads, bool wait, const Site& site);
  void WaitUntil(const char* what, bool (*ready)(const void*), const void* context,
                 const Site& site);
  void AwaitKernelsBefore(const Site& site);
  void Later(const char* what, std::function<void()> work);

  /// Of the running block. Blocks that run together have none.
  SharedArena& shared() {
    if (together_) Fail("shared memory of blocks that run together", Site::current());
    return shared_;
  }
  /// Of the running thread's block. Work of an engine has none of its own: it is that of the one
  /// block that runs.
  Slots& block_slots() {
    if (self_ == nullptr && together_)
      Fail("an engine of blocks that run together", Site::current());
    return (self_ == nullptr ? *blocks_.front() : *self_->block).slots;
  }

 private:
  struct Work {
    const char* what;
    std::function<void()> run;
    /// Drawn to come after all others that are not.
    bool lags = false;
  };

  /// What a fiber runs: one thread of the kernel.
  static void Enter();
  static void WriteRunningThread(char* text, size_t size);

  /// At the same time.
  void RunBlocks(const Grid& grid, const std::vector<uint3>& indices);
  void Start(Block& block, const Grid& grid, const uint3& index);
  bool AnyLive() const;
  Thread* TakeReady();
  void Resume(Thread& thread);
  void Exit(Thread& thread);

  /// Whether the calling thread is the last that the meeting waited for.
  bool Join(Meeting& meeting, const char* what, void* brought, Together together, const Site& site);
  void JoinOrWait(Meeting& meeting, const char* what, void* brought, Together together,
                  const Site& site);
  void Release(std::vector<Arrival> arrivals, Together together);
  void Wait(const char* what, const Site& site);
  /// Both say whether anything came of it.
  bool Poll();
  /// Work that lags only where `lagging_too`, and where there is no other.
  bool DoSomeWork(bool lagging_too);
  /// Who waits where; threads that wait alike in one line.
  std::string Deadlock() const;

  SharedArena shared_;
  std::vector<std::unique_ptr<Block>> blocks_;
  const std::function<void()>* kernel_ = nullptr;
  /// Null while the scheduler itself runs.
  Thread* self_ = nullptr;
  bool running_ = false;
  /// Threads of a block, blocks that run, and whether they do so together.
  int count_ = 0;
  size_t running_blocks_ = 0;
  bool together_ = false;
  /// Of a grid that began early, while its block's threads have not all waited.
  std::optional<HeldMemory> held_;
  uint64_t seed_ = 0;
  Draws draw_{0};
  std::deque<Thread*> ready_;
  std::vector<Thread*> pollers_;
  std::deque<Work> later_;
  std::optional<std::string> fault_;
};

Scheduler& TheScheduler();

}  // namespace baton::simt
