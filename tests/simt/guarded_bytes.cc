#include "simt/guarded_bytes.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <new>

#include <sys/mman.h>
#include <unistd.h>

#include "simt/machine.h"

namespace baton::simt {
namespace {

constexpr int kPoison = 0xff;

size_t Page() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }
size_t RoundUp(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/// The pages of an array but for those that are never touched.
struct Pages {
  std::byte* begin = nullptr;
  size_t bytes = 0;
  bool constant = false;
};

/// By the array's address.
std::map<const std::byte*, Pages>& Arrays() {
  static std::map<const std::byte*, Pages> arrays;
  return arrays;
}

void Protect(const Pages& pages, int protection) {
  if (mprotect(pages.begin, pages.bytes, protection) != 0) throw std::bad_alloc();
}

}  // namespace

std::shared_ptr<std::byte> GuardedBytes(size_t bytes) {
  const size_t used = RoundUp(std::max<size_t>(bytes, 1), 16);
  const size_t mapped = RoundUp(used, Page()) + 2 * Page();
  void* mapping = mmap(nullptr, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  const Pages pages{.begin = static_cast<std::byte*>(mapping) + Page(),
                    .bytes = mapped - 2 * Page()};
  Protect(pages, PROT_READ | PROT_WRITE);
  std::memset(pages.begin, kPoison, pages.bytes);
  std::byte* const begin = pages.begin + pages.bytes - used;
  Arrays()[begin] = pages;
  return {begin, [=](std::byte* array) {
            const auto touched = [](std::byte b) { return b != std::byte{kPoison}; };
            if (std::any_of(pages.begin, array, touched) ||
                std::any_of(array + bytes, array + used, touched)) {
              std::fprintf(stderr, "simt: a kernel wrote beside an array of %zu bytes\n", bytes);
              std::abort();
            }
            Arrays().erase(array);
            munmap(mapping, mapped);
          }};
}

void SetConstant(const std::byte* array) { Arrays().at(array).constant = true; }

HeldMemory::HeldMemory() {
  for (const auto& [array, pages] : Arrays()) {
    Protect(pages, pages.constant ? PROT_READ : PROT_NONE);
  }
}

HeldMemory::~HeldMemory() {
  for (const auto& [array, pages] : Arrays()) Protect(pages, PROT_READ | PROT_WRITE);
}

}  // namespace baton::simt
