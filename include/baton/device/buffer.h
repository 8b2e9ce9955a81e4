#pragma once

#include <cstddef>

#include "baton/base/status.h"

namespace baton::device {

/// Zeroed host memory for large, long-lived data: aligned to at least kAlignment, on huge pages
/// where the host gives them, every page touched so that first use costs no faults.
/// *Ownership*: frees the memory; moves, does not copy. *Threads*: immutable but for its bytes.
class Buffer {
 public:
  static constexpr size_t kAlignment = 4096;

  Buffer() = default;
  /// Fails with ResourceExhausted when the host has no such memory.
  static Result<Buffer> Allocate(size_t bytes);
  /// The same, but pages are first touched by who writes them, and lie near that thread.
  static Result<Buffer> AllocateUntouched(size_t bytes);
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void* mapping_ = nullptr;
  size_t mapping_bytes_ = 0;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// Gives back the pages that lie wholly within [data, data + bytes). What is read there later is
/// zero, or what stands in the file where one is mapped without being written.
void GiveBackPages(const std::byte* data, size_t bytes);

}  // namespace baton::device
