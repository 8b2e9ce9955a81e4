#include "simt/machine.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <unistd.h>

#include "simt/fiber.h"
#include "simt/segfault_report.h"
#include "simt/shared_arena.h"

// As device.h declares them.
extern uint3 threadIdx;
extern uint3 blockIdx;
extern dim3 blockDim;
extern dim3 gridDim;
uint3 threadIdx;
uint3 blockIdx;
dim3 blockDim;
dim3 gridDim;

namespace baton::simt {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int kBarriers = 16;

enum class State { kReady, kMeets, kPolls, kExited };

struct Thread {
  Fiber fiber;
  Indices self;
  State state = State::kReady;
  const char* waits_for = "";
  Site site;
  bool (*ready)(const void*) = nullptr;
  const void* context = nullptr;
  std::map<std::type_index, std::shared_ptr<void>> slots;
};

/// Threads that wait for each other.
struct Meeting {
  uint32_t mask = 0;
  const char* what = "";
  Together together = nullptr;
  std::vector<Arrival> arrivals;
  /// Arrivals that do not wait; barriers only.
  int counted = 0;
  /// Of a hardware barrier; 0 while nobody came.
  int expected = 0;
  /// Whether all must come from one place.
  bool one_site = true;
};

struct Work {
  const char* what;
  std::function<void()> run;
};

/// SplitMix64.
struct Draw {
  uint64_t state = 0;
  uint64_t Next() {
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  size_t Below(size_t n) { return static_cast<size_t>(Next() % n); }
};

std::string Place(const Site& site) {
  const std::string file = site.file_name();
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(site.line());
}

std::string Name(const Thread& thread) {
  const uint3& t = thread.self.thread;
  const uint3& b = thread.self.block;
  return "thread (" + std::to_string(t.x) + "," + std::to_string(t.y) + "," + std::to_string(t.z) +
         ") of block (" + std::to_string(b.x) + "," + std::to_string(b.y) + "," +
         std::to_string(b.z) + ")";
}

class Machine {
 public:
  void SetSchedule(uint64_t seed) {
    seed_ = seed;
    draw_.state = seed;
  }

  void RunGrid(const Grid& grid, const std::function<void()>& kernel) {
    const uint64_t threads = uint64_t{grid.block.x} * grid.block.y * grid.block.z;
    if (running_) throw Fault("a kernel launches a kernel");
    if (threads == 0 || threads > kMaxThreads) {
      throw Fault("a block of " + std::to_string(threads) + " threads");
    }
    if (grid.grid.x == 0 || grid.grid.y == 0 || grid.grid.z == 0) throw Fault("a grid of no block");
    if (grid.grid.y > 65535 || grid.grid.z > 65535) throw Fault("a grid of more than 65535 blocks");
    if (const std::string error = shared_.Begin(grid.shared_bytes); !error.empty()) {
      throw Fault(error);
    }
    kernel_ = &kernel;
    running_ = true;
    fault_.reset();
    while (threads_.size() < threads) threads_.push_back(std::make_unique<Thread>());
    count_ = static_cast<int>(threads);
    const uint64_t blocks = uint64_t{grid.grid.x} * grid.grid.y * grid.grid.z;
    // A drawn order starts anywhere and goes either way.
    const uint64_t first = seed_ == 0 ? 0 : draw_.Next() % blocks;
    const SegfaultReport report(&WriteRunningThread);
    try {
      for (uint64_t i = 0; i < blocks && !fault_; ++i) {
        const uint64_t b = seed_ % 2 == 0 ? (first + i) % blocks : (first + blocks - i) % blocks;
        RunBlock(grid, uint3{static_cast<unsigned>(b % grid.grid.x),
                             static_cast<unsigned>(b / grid.grid.x % grid.grid.y),
                             static_cast<unsigned>(b / grid.grid.x / grid.grid.y)});
      }
    } catch (const Fault& fault) {
      fault_ = fault.what();
    }
    running_ = false;
    if (fault_) throw Fault(*fault_);
  }

  Thread& self() {
    if (self_ == nullptr) {
      std::fputs("simt: device code outside of a kernel\n", stderr);
      std::abort();
    }
    return *self_;
  }

  /// Unwinds the thread's stack, or that of the scheduler, which does the work of engines.
  [[noreturn]] void Fail(const std::string& what, const Site& site) {
    throw Fault(what + " (" + (self_ == nullptr ? "" : Name(*self_) + " ") + "at " + Place(site) +
                ")");
  }

  void Yield() {
    if (seed_ == 0) return;
    ready_.push_back(&self());
    self().fiber.Suspend();
  }

  void MeetLanes(uint32_t mask, const char* what, void* brought, Together together,
                 const Site& site) {
    const Thread& thread = self();
    if ((mask >> thread.self.lane & 1) == 0) {
      Fail(std::string(what) + " with a mask without the calling lane", site);
    }
    const int first = thread.self.warp * 32;
    uint32_t there = 0;
    for (int lane = 0; lane < 32 && first + lane < count_; ++lane) there |= 1u << lane;
    mask &= there;
    for (int lane = 0; lane < 32; ++lane) {
      if ((mask >> lane & 1) != 0 && threads_[first + lane]->state == State::kExited) {
        Fail(std::string(what) + " waits for lane " + std::to_string(lane) + ", which has exited",
             site);
      }
    }
    auto& warp = lanes_[thread.self.warp];
    auto found =
        std::find_if(warp.begin(), warp.end(), [&](const Meeting& m) { return m.mask == mask; });
    if (found == warp.end()) {
      warp.push_back({.mask = mask});
      found = warp.end() - 1;
    }
    found->expected = __builtin_popcount(mask);
    if (Join(*found, what, brought, together, site)) {
      std::vector<Arrival> arrivals = std::move(found->arrivals);
      warp.erase(found);
      Release(arrivals, together);
    } else {
      Wait(what, site);
    }
  }

  void MeetWarpgroup(const char* what, void* brought, Together together, const Site& site) {
    const int group = self().self.linear / 128;
    if (count_ < (group + 1) * 128) Fail(std::string(what) + " in a part of a warpgroup", site);
    Meeting& meeting = warpgroups_[group];
    meeting.expected = 128;
    if (Join(meeting, what, brought, together, site)) {
      Release(std::exchange(meeting, {}).arrivals, together);
    } else {
      Wait(what, site);
    }
  }

  void MeetBlock(const char* what, void* brought, Together together, const Site& site) {
    if (live_ != count_) {
      Fail(std::string(what) + " although " + std::to_string(count_ - live_) +
               " threads of the block have exited",
           site);
    }
    Meeting& meeting = barriers_[0];
    meeting.expected = count_;
    if (Join(meeting, what, brought, together, site)) {
      Release(std::exchange(meeting, {}).arrivals, together);
    } else {
      Wait(what, site);
    }
  }

  void Barrier(int id, int threads, bool wait, const Site& site) {
    const std::string name = "barrier " + std::to_string(id);
    if (id < 0 || id >= kBarriers) Fail(name + ": there are 16", site);
    if (threads <= 0 || threads % 32 != 0) Fail(name + " for part of a warp", site);
    Meeting& meeting = barriers_[id];
    if (meeting.expected != 0 && meeting.expected != threads) {
      Fail(name + " for " + std::to_string(threads) + " threads, others expect " +
               std::to_string(meeting.expected),
           site);
    }
    meeting.expected = threads;
    meeting.one_site = false;
    bool complete = false;
    if (wait) {
      complete = Join(meeting, "a named barrier", nullptr, nullptr, site);
    } else {
      complete = ++meeting.counted + static_cast<int>(meeting.arrivals.size()) == threads;
    }
    if (complete) {
      Release(std::exchange(meeting, {}).arrivals, nullptr);
    } else if (wait) {
      Wait("a named barrier", site);
    }
  }

  void WaitUntil(const char* what, bool (*ready)(const void*), const void* context,
                 const Site& site) {
    if (ready(context)) return;
    Thread& thread = self();
    thread.state = State::kPolls;
    thread.waits_for = what;
    thread.site = site;
    thread.ready = ready;
    thread.context = context;
    pollers_.push_back(&thread);
    thread.fiber.Suspend();
  }

  void Later(const char* what, std::function<void()> work) {
    later_.push_back({what, std::move(work)});
  }

  SharedArena& shared() { return shared_; }
  std::map<std::type_index, std::shared_ptr<void>>& block_slots() { return block_slots_; }

  /// What a thread of the kernel runs.
  static void Enter();
  static void WriteRunningThread(char* text, size_t size);

 private:
  void RunBlock(const Grid& grid, const uint3& block) {
    shared_.Poison();
    block_slots_.clear();
    ready_.clear();
    pollers_.clear();
    later_.clear();
    lanes_.assign((static_cast<size_t>(count_) + 31) / 32, {});
    warpgroups_.assign((static_cast<size_t>(count_) + 127) / 128, {});
    for (Meeting& barrier : barriers_) barrier = {};
    live_ = count_;
    blockIdx = block;
    blockDim = grid.block;
    gridDim = grid.grid;
    for (int i = 0; i < count_; ++i) Start(i, grid, block);
    while (live_ > 0 && !fault_) {
      if (seed_ != 0 && draw_.Below(8) == 0) DoSomeWork();
      if (seed_ != 0 && draw_.Below(8) == 0) Poll();
      if (!ready_.empty()) {
        Resume(*TakeReady());
      } else if (!Poll() && !DoSomeWork()) {
        fault_ = Deadlock();
      }
    }
    if (fault_) return;
    if (!later_.empty()) {
      fault_ = "a block ended while " + std::string(later_[0].what) + " was under way, see " +
               Name(*threads_[0]);
    } else if (const std::string error = shared_.Check(); !error.empty()) {
      fault_ = error + ", see " + Name(*threads_[0]);
    }
  }

  void Start(int linear, const Grid& grid, const uint3& block) {
    Thread& thread = *threads_[linear];
    const auto i = static_cast<unsigned>(linear);
    thread.self = {.thread = {i % grid.block.x, i / grid.block.x % grid.block.y,
                              i / grid.block.x / grid.block.y},
                   .block = block,
                   .block_dim = grid.block,
                   .grid_dim = grid.grid,
                   .linear = linear,
                   .warp = linear / 32,
                   .lane = linear % 32};
    thread.state = State::kReady;
    thread.slots.clear();
    thread.fiber.Prepare(&Enter);
    ready_.push_back(&thread);
  }

  Thread* TakeReady() {
    if (seed_ != 0) std::swap(ready_.front(), ready_[draw_.Below(ready_.size())]);
    Thread* thread = ready_.front();
    ready_.pop_front();
    return thread;
  }

  void Resume(Thread& thread) {
    self_ = &thread;
    threadIdx = thread.self.thread;
    thread.fiber.Resume();
    self_ = nullptr;
  }

  void Exit(Thread& thread) {
    thread.state = State::kExited;
    --live_;
    const Meeting& barrier = barriers_[0];
    if (!barrier.arrivals.empty() && barrier.one_site) {
      Fail("a thread exits while others wait in " + std::string(barrier.what),
           barrier.arrivals[0].site);
    }
    for (const Meeting& meeting : lanes_[thread.self.warp]) {
      if ((meeting.mask >> thread.self.lane & 1) != 0) {
        Fail("a lane exits while others wait for it in " + std::string(meeting.what),
             meeting.arrivals[0].site);
      }
    }
  }

  /// Whether the calling thread is the last that the meeting waited for.
  bool Join(Meeting& meeting, const char* what, void* brought, Together together,
            const Site& site) {
    if (!meeting.arrivals.empty() && meeting.one_site) {
      const Arrival& first = meeting.arrivals[0];
      if (meeting.together != together || first.site.line() != site.line() ||
          std::strcmp(first.site.file_name(), site.file_name()) != 0) {
        Fail(std::string("divergent ") + what + ": " + Name(*threads_[first.linear]) + " is in " +
                 meeting.what + " at " + Place(first.site),
             site);
      }
    }
    meeting.what = what;
    meeting.together = together;
    meeting.arrivals.push_back({self().self.linear, brought, site});
    return static_cast<int>(meeting.arrivals.size()) + meeting.counted == meeting.expected;
  }

  void Release(std::vector<Arrival> arrivals, Together together) {
    std::sort(arrivals.begin(), arrivals.end(),
              [](const Arrival& a, const Arrival& b) { return a.linear < b.linear; });
    if (together != nullptr) together(arrivals);
    for (const Arrival& arrival : arrivals) {
      Thread& thread = *threads_[arrival.linear];
      if (&thread == self_) continue;
      thread.state = State::kReady;
      ready_.push_back(&thread);
    }
  }

  void Wait(const char* what, const Site& site) {
    Thread& thread = self();
    thread.state = State::kMeets;
    thread.waits_for = what;
    thread.site = site;
    thread.fiber.Suspend();
  }

  bool Poll() {
    const auto still = std::partition(pollers_.begin(), pollers_.end(), [](const Thread* thread) {
      return !thread->ready(thread->context);
    });
    const bool any = still != pollers_.end();
    for (auto i = still; i != pollers_.end(); ++i) {
      (*i)->state = State::kReady;
      ready_.push_back(*i);
    }
    pollers_.erase(still, pollers_.end());
    return any;
  }

  bool DoSomeWork() {
    if (later_.empty()) return false;
    if (seed_ != 0) std::swap(later_.front(), later_[draw_.Below(later_.size())]);
    const Work work = std::move(later_.front());
    later_.pop_front();
    work.run();
    return true;
  }

  /// Who waits where; threads that wait alike in one line.
  std::string Deadlock() const {
    std::map<std::string, std::pair<int, std::string>> waits;
    for (int i = 0; i < count_; ++i) {
      const Thread& thread = *threads_[i];
      if (thread.state == State::kExited) continue;
      auto& [count, first] = waits[std::string(thread.waits_for) + " at " + Place(thread.site)];
      if (count++ == 0) first = Name(thread);
    }
    std::string text = "deadlock: " + std::to_string(count_ - live_) + " of " +
                       std::to_string(count_) + " threads have exited";
    for (const auto& [where, who] : waits) {
      text +=
          "; " + std::to_string(who.first) + " wait in " + where + ", the first is " + who.second;
    }
    return text;
  }

  SharedArena shared_;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::map<std::type_index, std::shared_ptr<void>> block_slots_;
  const std::function<void()>* kernel_ = nullptr;
  Thread* self_ = nullptr;
  bool running_ = false;
  int count_ = 0;
  int live_ = 0;
  uint64_t seed_ = 0;
  Draw draw_;
  std::deque<Thread*> ready_;
  std::vector<Thread*> pollers_;
  std::deque<Work> later_;
  std::vector<std::vector<Meeting>> lanes_;
  std::vector<Meeting> warpgroups_;
  Meeting barriers_[kBarriers];
  std::optional<std::string> fault_;
};

Machine& TheMachine() {
  static Machine machine;
  return machine;
}

void Machine::WriteRunningThread(char* text, size_t size) {
  const Thread* thread = TheMachine().self_;
  if (thread == nullptr) {
    std::snprintf(text, size, "work of an engine");
  } else {
    const uint3& t = thread->self.thread;
    const uint3& b = thread->self.block;
    std::snprintf(text, size, "thread (%u,%u,%u) of block (%u,%u,%u)", t.x, t.y, t.z, b.x, b.y,
                  b.z);
  }
}

void Machine::Enter() {
  Machine& machine = TheMachine();
  Thread& thread = machine.self();
  try {
    (*machine.kernel_)();
    machine.Exit(thread);
  } catch (const Fault& fault) {
    machine.fault_ = fault.what();
  }
  thread.fiber.Suspend();
}

}  // namespace

void SetSchedule(uint64_t seed) { TheMachine().SetSchedule(seed); }
void RunGrid(const Grid& grid, const std::function<void()>& kernel) {
  TheMachine().RunGrid(grid, kernel);
}
const Indices& Self() { return TheMachine().self().self; }
void Fail(const std::string& what, Site site) { TheMachine().Fail(what, site); }
void Yield() { TheMachine().Yield(); }

void MeetLanes(uint32_t mask, const char* what, void* brought, Together together, Site site) {
  TheMachine().MeetLanes(mask, what, brought, together, site);
}
void MeetWarpgroup(const char* what, void* brought, Together together, Site site) {
  TheMachine().MeetWarpgroup(what, brought, together, site);
}
void MeetBlock(const char* what, void* brought, Together together, Site site) {
  TheMachine().MeetBlock(what, brought, together, site);
}
void BarrierSync(int id, int threads, Site site) { TheMachine().Barrier(id, threads, true, site); }
void BarrierArrive(int id, int threads, Site site) {
  TheMachine().Barrier(id, threads, false, site);
}
void WaitUntil(const char* what, bool (*ready)(const void*), const void* context, Site site) {
  TheMachine().WaitUntil(what, ready, context, site);
}
void Later(const char* what, std::function<void()> work) {
  TheMachine().Later(what, std::move(work));
}

std::byte* DynamicSharedBytes() { return TheMachine().shared().dynamic(); }
std::byte* StaticSharedBytes(std::type_index type, size_t bytes, size_t alignment) {
  std::byte* place = TheMachine().shared().Static(type, bytes, alignment);
  if (place == nullptr) Fail("more than 48 KiB of static shared memory");
  return place;
}
uint32_t SharedAddress(const void* shared) {
  const std::optional<uint32_t> address = TheMachine().shared().AddressOf(shared);
  if (!address) Fail("an address outside of shared memory");
  return *address;
}
std::byte* SharedAt(uint32_t address) { return TheMachine().shared().At(address); }

std::shared_ptr<void>& ThreadSlot(std::type_index type) { return TheMachine().self().slots[type]; }
std::shared_ptr<void>& BlockSlot(std::type_index type) { return TheMachine().block_slots()[type]; }

}  // namespace baton::simt
