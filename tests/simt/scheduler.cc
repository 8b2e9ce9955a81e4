#include "simt/scheduler.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "simt/segfault_report.h"

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

}  // namespace

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

Scheduler& TheScheduler() {
  static Scheduler scheduler;
  return scheduler;
}

void Scheduler::SetSchedule(uint64_t seed) {
  seed_ = seed;
  draw_ = Draws(seed);
}

void Scheduler::RunGrid(const Grid& grid, const std::function<void()>& kernel) {
  const uint64_t threads = uint64_t{grid.block.x} * grid.block.y * grid.block.z;
  if (running_) throw Fault("a kernel launches a kernel");
  if (threads == 0 || threads > kMaxThreads) {
    throw Fault("a block of " + std::to_string(threads) + " threads");
  }
  if (grid.grid.x == 0 || grid.grid.y == 0 || grid.grid.z == 0) throw Fault("a grid of no block");
  if (grid.grid.y > 65535 || grid.grid.z > 65535) throw Fault("a grid of more than 65535 blocks");
  if (grid.together && grid.early) throw Fault("blocks that run together and begin early");
  if (const std::string error = shared_.Begin(grid.shared_bytes); !error.empty()) {
    throw Fault(error);
  }
  kernel_ = &kernel;
  running_ = true;
  fault_.reset();
  count_ = static_cast<int>(threads);
  together_ = grid.together;
  const uint64_t blocks = uint64_t{grid.grid.x} * grid.grid.y * grid.grid.z;
  // A drawn order starts anywhere and goes either way.
  const uint64_t first = seed_ == 0 ? 0 : draw_.Next() % blocks;
  const SegfaultReport report(&WriteRunningThread);
  try {
    std::vector<uint3> indices;
    for (uint64_t i = 0; i < blocks && !fault_; ++i) {
      const uint64_t b = seed_ % 2 == 0 ? (first + i) % blocks : (first + blocks - i) % blocks;
      indices.push_back({static_cast<unsigned>(b % grid.grid.x),
                         static_cast<unsigned>(b / grid.grid.x % grid.grid.y),
                         static_cast<unsigned>(b / grid.grid.x / grid.grid.y)});
      if (grid.together && i + 1 < blocks) continue;
      if (grid.early) held_.emplace();
      RunBlocks(grid, indices);
      held_.reset();
      indices.clear();
    }
  } catch (const Fault& fault) {
    fault_ = fault.what();
  }
  held_.reset();
  running_ = false;
  if (fault_) throw Fault(*fault_);
}

void Scheduler::RunBlocks(const Grid& grid, const std::vector<uint3>& indices) {
  shared_.Poison();
  ready_.clear();
  pollers_.clear();
  later_.clear();
  blockDim = grid.block;
  gridDim = grid.grid;
  running_blocks_ = indices.size();
  while (blocks_.size() < running_blocks_) blocks_.push_back(std::make_unique<Block>());
  for (size_t b = 0; b < running_blocks_; ++b) Start(*blocks_[b], grid, indices[b]);
  while (AnyLive() && !fault_) {
    if (seed_ != 0) {
      const uint64_t drawn = draw_.Next();
      if (drawn % 8 == 0) DoSomeWork(false);
      if (drawn / 8 % 8 == 0) Poll();
    }
    if (!ready_.empty()) {
      Resume(*TakeReady());
    } else if (!Poll() && !DoSomeWork(true)) {
      fault_ = Deadlock();
    }
  }
  if (fault_) return;
  if (!later_.empty()) {
    fault_ = "a block ended while " + std::string(later_[0].what) + " was under way, see " +
             Name(*blocks_[0]->threads[0]);
  } else if (const std::string error = shared_.Check(); !error.empty()) {
    fault_ = error + ", see " + Name(*blocks_[0]->threads[0]);
  }
}

bool Scheduler::AnyLive() const {
  return std::any_of(blocks_.begin(), blocks_.begin() + static_cast<ptrdiff_t>(running_blocks_),
                     [](const auto& block) { return block->live > 0; });
}

void Scheduler::Start(Block& block, const Grid& grid, const uint3& index) {
  block.slots.clear();
  block.warps.assign((static_cast<size_t>(count_) + 31) / 32, {});
  block.warpgroups.assign((static_cast<size_t>(count_) + 127) / 128, {});
  for (Meeting& barrier : block.barriers) barrier = {};
  block.live = count_;
  block.early = grid.early ? count_ : 0;
  for (int linear = 0; linear < count_; ++linear) {
    const auto i = static_cast<unsigned>(linear);
    if (block.threads.size() <= i) block.threads.push_back(std::make_unique<Thread>());
    Thread& thread = *block.threads[i];
    thread.block = &block;
    thread.self = {.thread = {i % grid.block.x, i / grid.block.x % grid.block.y,
                              i / grid.block.x / grid.block.y},
                   .block = index,
                   .block_dim = grid.block,
                   .grid_dim = grid.grid,
                   .linear = linear,
                   .warp = linear / 32,
                   .lane = linear % 32};
    thread.state = State::kReady;
    thread.slots.clear();
    thread.early = grid.early;
    thread.fiber.Prepare(&Enter);
    ready_.push_back(&thread);
  }
}

Thread* Scheduler::TakeReady() {
  if (seed_ != 0) std::swap(ready_.front(), ready_[draw_.Below(ready_.size())]);
  Thread* thread = ready_.front();
  ready_.pop_front();
  return thread;
}

void Scheduler::Resume(Thread& thread) {
  self_ = &thread;
  threadIdx = thread.self.thread;
  blockIdx = thread.self.block;
  thread.fiber.Resume();
  self_ = nullptr;
}

Thread& Scheduler::self() {
  if (self_ == nullptr) {
    std::fputs("simt: device code outside of a kernel\n", stderr);
    std::abort();
  }
  return *self_;
}

bool Scheduler::Poll() {
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

bool Scheduler::DoSomeWork(bool lagging_too) {
  auto end = std::partition(later_.begin(), later_.end(), [](const Work& w) { return !w.lags; });
  if (end == later_.begin()) {
    if (!lagging_too || later_.empty()) return false;
    end = later_.end();
  }
  const auto choice = static_cast<size_t>(end - later_.begin());
  if (seed_ != 0) std::swap(later_.front(), later_[draw_.Below(choice)]);
  const Work work = std::move(later_.front());
  later_.pop_front();
  work.run();
  return true;
}

std::string Scheduler::Deadlock() const {
  std::map<std::string, std::pair<int, std::string>> waits;
  int exited = 0;
  for (size_t b = 0; b < running_blocks_; ++b) {
    for (int i = 0; i < count_; ++i) {
      const Thread& thread = *blocks_[b]->threads[static_cast<size_t>(i)];
      if (thread.state == State::kExited) {
        ++exited;
        continue;
      }
      auto& [count, first] = waits[std::string(thread.waits_for) + " at " + Place(thread.site)];
      if (count++ == 0) first = Name(thread);
    }
  }
  std::string text = "deadlock: " + std::to_string(exited) + " of " +
                     std::to_string(static_cast<size_t>(count_) * running_blocks_) +
                     " threads have exited";
  for (const auto& [where, who] : waits) {
    text += "; " + std::to_string(who.first) + " wait in " + where + ", the first is " + who.second;
  }
  return text;
}

void Scheduler::WriteRunningThread(char* text, size_t size) {
  const Thread* thread = TheScheduler().self_;
  if (thread == nullptr) {
    std::snprintf(text, size, "work of an engine");
  } else {
    const uint3& t = thread->self.thread;
    const uint3& b = thread->self.block;
    std::snprintf(text, size, "thread (%u,%u,%u) of block (%u,%u,%u)%s", t.x, t.y, t.z, b.x, b.y,
                  b.z, TheScheduler().held_ ? ", before it waited for the kernels before," : "");
  }
}

void Scheduler::Enter() {
  Scheduler& scheduler = TheScheduler();
  Thread& thread = scheduler.self();
  try {
    (*scheduler.kernel_)();
    scheduler.Exit(thread);
  } catch (const Fault& fault) {
    scheduler.fault_ = fault.what();
  }
  thread.fiber.Suspend();
}

void Scheduler::Exit(Thread& thread) {
  thread.state = State::kExited;
  Block& block = *thread.block;
  --block.live;
  if (thread.early) {
    Fail("a thread exits that has not waited for the kernels before", Site::current());
  }
  const Meeting& barrier = block.barriers[0];
  if (!barrier.arrivals.empty() && barrier.one_site) {
    Fail("a thread exits while others wait in " + std::string(barrier.what),
         barrier.arrivals[0].site);
  }
  Lanes& warp = block.warps[static_cast<size_t>(thread.self.warp)];
  warp.exited |= 1u << thread.self.lane;
  for (const Meeting& meeting : warp.meetings) {
    if ((meeting.mask >> thread.self.lane & 1) != 0) {
      Fail("a lane exits while others wait for it in " + std::string(meeting.what),
           meeting.arrivals[0].site);
    }
  }
}

void Scheduler::Yield() {
  if (seed_ == 0) return;
  ready_.push_back(&self());
  self().fiber.Suspend();
}

void Scheduler::Fail(const std::string& what, const Site& site) const {
  throw Fault(what + " (" + (self_ == nullptr ? "" : Name(*self_) + " ") + "at " + Place(site) +
              ")");
}

}  // namespace baton::simt
