#include "baton/device/buffer.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

#include "baton/base/units.h"

namespace baton::device {
namespace {

constexpr size_t kHugePage = 2 * kMiB;

}  // namespace

Result<Buffer> Buffer::Allocate(size_t bytes) {
  BATON_ASSIGN_OR_RETURN(Buffer buffer, AllocateUntouched(bytes));
  if (bytes > 0) std::memset(buffer.data_, 0, bytes);
  return buffer;
}

Result<Buffer> Buffer::AllocateUntouched(size_t bytes) {
  Buffer buffer;
  if (bytes == 0) return buffer;
  const size_t alignment = bytes >= kHugePage ? kHugePage : kAlignment;
  if (bytes > SIZE_MAX - alignment) return ResourceExhausted("a buffer of all memory there is");
  const size_t mapping_bytes = bytes + alignment;
  void* mapping =
      mmap(nullptr, mapping_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) {
    return ResourceExhausted("no " + FormatBytes(static_cast<int64_t>(bytes)) +
                             " of host memory: " + std::strerror(errno));
  }
  const auto address = reinterpret_cast<uintptr_t>(mapping);
  buffer.mapping_ = mapping;
  buffer.mapping_bytes_ = mapping_bytes;
  buffer.data_ = reinterpret_cast<std::byte*>((address + alignment - 1) / alignment * alignment);
  buffer.size_ = bytes;
  // Advice only: without huge pages the buffer is slower, not wrong.
  if (bytes >= kHugePage) (void)madvise(mapping, mapping_bytes, MADV_HUGEPAGE);
  return buffer;
}

void GiveBackPages(const std::byte* data, size_t bytes) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(data) + page - 1) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + bytes) / page * page;
  // Advice only: memory stays taken where it is not followed.
  if (begin < end) (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

Buffer::~Buffer() {
  if (mapping_ != nullptr) munmap(mapping_, mapping_bytes_);
}

Buffer::Buffer(Buffer&& other) noexcept { *this = std::move(other); }

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapping_bytes_, other.mapping_bytes_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace baton::device
