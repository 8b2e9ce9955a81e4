#pragma once

#include <cstring>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "simt/machine.h"

/// The twin of kernels/cuda/ptx/cp_async.h: a group is copied at some time between its commit and
/// the wait for it, so that a read without a wait and a target still in use show.
namespace baton::kernels::cuda::ptx {

struct AsyncCopy {
  std::byte* to = nullptr;
  const void* from = nullptr;
  bool valid = false;
};

struct AsyncGroup {
  std::vector<AsyncCopy> copies;
  bool done = false;

  void Run() {
    for (const AsyncCopy& copy : copies) {
      if (copy.valid) {
        std::memcpy(copy.to, copy.from, 16);
      } else {
        std::memset(copy.to, 0, 16);
      }
    }
    done = true;
  }
};

struct AsyncGroups {
  std::shared_ptr<AsyncGroup> open = std::make_shared<AsyncGroup>();
  std::deque<std::shared_ptr<AsyncGroup>> committed;
};

inline void CopyAsync16(void* to_shared, const void* from, bool valid) {
  if (reinterpret_cast<uintptr_t>(to_shared) % 16 != 0 ||
      (valid && reinterpret_cast<uintptr_t>(from) % 16 != 0)) {
    simt::Fail("cp.async: an address is no multiple of 16");
  }
  simt::OfThread<AsyncGroups>().open->copies.push_back(
      {.to = simt::SharedAt(simt::SharedAddress(to_shared)), .from = from, .valid = valid});
}

inline void CommitCopies() {
  auto& groups = simt::OfThread<AsyncGroups>();
  std::shared_ptr<AsyncGroup> group = std::exchange(groups.open, std::make_shared<AsyncGroup>());
  if (group->copies.empty()) {
    group->done = true;
  } else {
    simt::Later("cp.async", [group] { group->Run(); });
  }
  groups.committed.push_back(std::move(group));
}

template <int N>
void AwaitCopiesBut() {
  auto& committed = simt::OfThread<AsyncGroups>().committed;
  while (committed.size() > N) {
    const AsyncGroup& oldest = *committed.front();
    simt::WaitUntil("cp.async.wait_group", [&] { return oldest.done; });
    committed.pop_front();
  }
}

}  // namespace baton::kernels::cuda::ptx
