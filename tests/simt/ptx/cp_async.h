#pragma once

#include <cstring>
#include <deque>
#include <vector>

#include "simt/machine.h"

/// The twin of kernels/cuda/ptx/cp_async.h: a copy is made when its thread waits for it, so that a
/// read without a wait, or an overwritten source or target, shows.
namespace baton::kernels::cuda::ptx {

struct AsyncCopy {
  std::byte* to = nullptr;
  const void* from = nullptr;
  bool valid = false;
};

struct AsyncCopies {
  std::vector<AsyncCopy> open;
  std::deque<std::vector<AsyncCopy>> groups;
};

inline void CopyAsync16(void* to_shared, const void* from, bool valid) {
  if (reinterpret_cast<uintptr_t>(to_shared) % 16 != 0 ||
      (valid && reinterpret_cast<uintptr_t>(from) % 16 != 0)) {
    simt::Fail("cp.async: an address is no multiple of 16");
  }
  simt::OfThread<AsyncCopies>().open.push_back(
      {.to = simt::SharedAt(simt::SharedAddress(to_shared)), .from = from, .valid = valid});
}

inline void CommitCopies() {
  auto& copies = simt::OfThread<AsyncCopies>();
  copies.groups.push_back(std::move(copies.open));
  copies.open.clear();
}

template <int N>
void AwaitCopiesBut() {
  auto& groups = simt::OfThread<AsyncCopies>().groups;
  while (groups.size() > N) {
    for (const AsyncCopy& copy : groups.front()) {
      if (copy.valid) {
        std::memcpy(copy.to, copy.from, 16);
      } else {
        std::memset(copy.to, 0, 16);
      }
    }
    groups.pop_front();
  }
}

}  // namespace baton::kernels::cuda::ptx
