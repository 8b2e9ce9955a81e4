#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "baton/base/random.h"

namespace baton::api {

/// Random ids of 32 hexadecimal digits. *Threads*: thread-safe.
class IdSource {
 public:
  explicit IdSource(uint64_t seed) : seed_(seed) {}

  std::string Next() {
    const uint64_t count = count_.fetch_add(1, std::memory_order_relaxed);
    const auto words =
        Philox4x32({static_cast<uint32_t>(count), static_cast<uint32_t>(count >> 32), 2, 0}, seed_);
    std::string id;
    for (const uint32_t word : words)
      for (int shift = 28; shift >= 0; shift -= 4) id += "0123456789abcdef"[(word >> shift) & 15];
    return id;
  }

 private:
  const uint64_t seed_;
  std::atomic<uint64_t> count_{0};
};

}  // namespace baton::api
