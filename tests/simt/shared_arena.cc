#include "simt/shared_arena.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include <sys/mman.h>
#include <unistd.h>

#include "simt/machine.h"

namespace baton::simt {
namespace {

constexpr size_t kArenaBytes = size_t{256} << 20;
constexpr size_t kDynamicAlignment = 1024;
constexpr int kPoison = 0xff;

size_t Page() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }
size_t RoundUp(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

}  // namespace

SharedArena::SharedArena() {
  void* mapping =
      mmap(nullptr, kArenaBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  base_ = static_cast<std::byte*>(mapping);
  next_ = base_ + Page();
  const size_t bytes = RoundUp(kMaxBytes, Page());
  dynamic_end_ = next_ + bytes;
  dynamic_ = dynamic_end_;
  next_ = dynamic_end_ + Page();
}

SharedArena::~SharedArena() { munmap(base_, kArenaBytes); }

std::string SharedArena::Begin(size_t dynamic_bytes) {
  if (dynamic_bytes > kMaxBytes) {
    return std::to_string(dynamic_bytes) + " bytes of shared memory, a block may have " +
           std::to_string(kMaxBytes);
  }
  std::byte* lowest = dynamic_end_ - RoundUp(kMaxBytes, Page());
  mprotect(lowest, static_cast<size_t>(dynamic_end_ - lowest), PROT_NONE);
  const size_t pages = RoundUp(dynamic_bytes, Page());
  if (pages > 0 && mprotect(dynamic_end_ - pages, pages, PROT_READ | PROT_WRITE) != 0) {
    throw std::bad_alloc();
  }
  dynamic_ = dynamic_end_ - RoundUp(dynamic_bytes, kDynamicAlignment);
  dynamic_bytes_ = dynamic_bytes;
  return "";
}

void SharedArena::Poison() {
  ++block_;
  static_bytes_ = 0;
  if (dynamic_bytes_ == 0) return;
  const size_t pages = RoundUp(dynamic_bytes_, Page());
  std::memset(dynamic_end_ - pages, kPoison, pages);
}

std::string SharedArena::Check() const {
  if (dynamic_bytes_ == 0) return "";
  const auto touched = [](std::byte b) { return b != std::byte{kPoison}; };
  const std::byte* end = dynamic_ + dynamic_bytes_;
  if (std::any_of(dynamic_end_ - RoundUp(dynamic_bytes_, Page()), dynamic_, touched)) {
    return "a block wrote before its dynamic shared memory";
  }
  if (std::any_of(end, static_cast<const std::byte*>(dynamic_end_), touched)) {
    return "a block wrote behind its " + std::to_string(dynamic_bytes_) +
           " bytes of dynamic shared memory";
  }
  return "";
}

std::byte* SharedArena::Chunk(size_t bytes) {
  const size_t pages = RoundUp(bytes, Page());
  if (mprotect(next_, pages, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
  std::byte* end = next_ + pages;
  next_ = end + Page();
  return end;
}

std::byte* SharedArena::Static(std::type_index type, size_t bytes, size_t alignment) {
  Variable& variable = variables_[type];
  if (variable.place == nullptr) {
    if (bytes > kMaxStaticBytes) return nullptr;
    variable = {.place = Chunk(bytes) - RoundUp(bytes, std::max<size_t>(alignment, 16)),
                .bytes = bytes};
  }
  if (variable.block != block_) {
    static_bytes_ += bytes;
    if (static_bytes_ > kMaxStaticBytes) return nullptr;
    std::memset(variable.place, kPoison, bytes);
    variable.block = block_;
  }
  return variable.place;
}

std::optional<uint32_t> SharedArena::AddressOf(const void* shared) const {
  const auto* byte = static_cast<const std::byte*>(shared);
  if (byte < base_ || byte >= base_ + kArenaBytes) return std::nullopt;
  return static_cast<uint32_t>(byte - base_);
}

}  // namespace baton::simt
