#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "simt/scheduler.h"

namespace baton::simt {

void Scheduler::MeetLanes(uint32_t mask, const char* what, void* brought, Together together,
                          const Site& site) {
  const Thread& thread = self();
  if ((mask >> thread.self.lane & 1) == 0) {
    Fail(std::string(what) + " with a mask without the calling lane", site);
  }
  const int there = count_ - thread.self.warp * 32;
  if (there < 32) mask &= (1u << there) - 1;
  Lanes& warp = thread.block->warps[static_cast<size_t>(thread.self.warp)];
  if (const uint32_t gone = mask & warp.exited; gone != 0) {
    Fail(std::string(what) + " waits for lane " + std::to_string(std::countr_zero(gone)) +
             ", which has exited",
         site);
  }
  auto& meetings = warp.meetings;
  auto found = std::find_if(meetings.begin(), meetings.end(),
                            [&](const Meeting& m) { return m.mask == mask; });
  if (found == meetings.end()) {
    meetings.push_back({.mask = mask, .expected = std::popcount(mask)});
    found = meetings.end() - 1;
  }
  if (Join(*found, what, brought, together, site)) {
    std::vector<Arrival> arrivals = std::move(found->arrivals);
    meetings.erase(found);
    Release(std::move(arrivals), together);
  } else {
    Wait(what, site);
  }
}

void Scheduler::MeetWarpgroup(const char* what, void* brought, Together together,
                              const Site& site) {
  const int group = self().self.linear / 128;
  if (count_ < (group + 1) * 128) Fail(std::string(what) + " in a part of a warpgroup", site);
  Meeting& meeting = self().block->warpgroups[static_cast<size_t>(group)];
  meeting.expected = 128;
  JoinOrWait(meeting, what, brought, together, site);
}

void Scheduler::MeetBlock(const char* what, void* brought, Together together, const Site& site) {
  Block& block = *self().block;
  if (block.live != count_) {
    Fail(std::string(what) + " although " + std::to_string(count_ - block.live) +
             " threads of the block have exited",
         site);
  }
  Meeting& meeting = block.barriers[0];
  meeting.expected = count_;
  JoinOrWait(meeting, what, brought, together, site);
}

void Scheduler::Barrier(int id, int threads, bool wait, const Site& site) {
  const std::string name = "barrier " + std::to_string(id);
  if (id < 0 || id >= kBarriers) Fail(name + ": there are 16", site);
  if (threads <= 0 || threads % 32 != 0) Fail(name + " for part of a warp", site);
  Meeting& meeting = self().block->barriers[id];
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

bool Scheduler::Join(Meeting& meeting, const char* what, void* brought, Together together,
                     const Site& site) {
  if (!meeting.arrivals.empty() && meeting.one_site) {
    const Arrival& first = meeting.arrivals[0];
    const bool one_file = first.site.file_name() == site.file_name() ||
                          std::strcmp(first.site.file_name(), site.file_name()) == 0;
    if (meeting.together != together || first.site.line() != site.line() || !one_file) {
      Fail(std::string("divergent ") + what + ": " +
               Name(*self().block->threads[static_cast<size_t>(first.linear)]) + " is in " +
               meeting.what + " at " + Place(first.site),
           site);
    }
  }
  meeting.what = what;
  meeting.together = together;
  if (meeting.arrivals.empty()) meeting.arrivals.reserve(static_cast<size_t>(meeting.expected));
  meeting.arrivals.push_back({self().self.linear, brought, site});
  return static_cast<int>(meeting.arrivals.size()) + meeting.counted == meeting.expected;
}

void Scheduler::JoinOrWait(Meeting& meeting, const char* what, void* brought, Together together,
                           const Site& site) {
  if (Join(meeting, what, brought, together, site)) {
    Release(std::exchange(meeting, {}).arrivals, together);
  } else {
    Wait(what, site);
  }
}

void Scheduler::Release(std::vector<Arrival> arrivals, Together together) {
  std::sort(arrivals.begin(), arrivals.end(),
            [](const Arrival& a, const Arrival& b) { return a.linear < b.linear; });
  if (together != nullptr) together(arrivals);
  for (const Arrival& arrival : arrivals) {
    Thread& thread = *self().block->threads[static_cast<size_t>(arrival.linear)];
    if (&thread == self_) continue;
    thread.state = State::kReady;
    ready_.push_back(&thread);
  }
}

void Scheduler::Wait(const char* what, const Site& site) {
  Thread& thread = self();
  thread.state = State::kMeets;
  thread.waits_for = what;
  thread.site = site;
  thread.fiber.Suspend();
}

void Scheduler::WaitUntil(const char* what, bool (*ready)(const void*), const void* context,
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

void Scheduler::AwaitKernelsBefore(const Site& site) {
  Thread& thread = self();
  Block& block = *thread.block;
  if (std::exchange(thread.early, false) && --block.early == 0) held_.reset();
  WaitUntil(
      "the kernels before",
      [](const void* of) { return static_cast<const Block*>(of)->early == 0; }, &block, site);
}

void Scheduler::Later(const char* what, std::function<void()> work) {
  // In drawn schedules one in so many waits until nothing else can be done.
  constexpr size_t kLagging = 8;
  later_.push_back({what, std::move(work), seed_ != 0 && draw_.Below(kLagging) == 0});
}

}  // namespace baton::simt
