#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <typeindex>

namespace baton::simt {

/// The shared memory of the one block that runs: a range of addresses in which each static variable
/// and the dynamic memory end at pages that cannot be touched.
class SharedArena {
 public:
  /// What a block may have on sm_90, and how much of that static.
  static constexpr size_t kMaxBytes = 227 * 1024;
  static constexpr size_t kMaxStaticBytes = 48 * 1024;

  SharedArena();
  ~SharedArena();
  SharedArena(const SharedArena&) = delete;
  SharedArena& operator=(const SharedArena&) = delete;

  /// Makes room for `dynamic_bytes`; says why it cannot.
  std::string Begin(size_t dynamic_bytes);
  /// A new block: all bytes are 0xFF.
  void Poison();
  /// Of a block that ended: what was written beside its memory, or nothing.
  std::string Check() const;

  /// Aligned to 1024 bytes.
  std::byte* dynamic() const { return dynamic_; }
  /// The same place for the same type; null where it is too much.
  std::byte* Static(std::type_index type, size_t bytes, size_t alignment);
  std::optional<uint32_t> AddressOf(const void* shared) const;
  std::byte* At(uint32_t address) const { return base_ + address; }

 private:
  struct Variable {
    std::byte* place = nullptr;
    size_t bytes = 0;
    uint64_t block = 0;
  };

  std::byte* Chunk(size_t bytes);

  std::byte* base_ = nullptr;
  std::byte* next_ = nullptr;
  std::byte* dynamic_end_ = nullptr;
  std::byte* dynamic_ = nullptr;
  size_t dynamic_bytes_ = 0;
  size_t static_bytes_ = 0;
  uint64_t block_ = 0;
  std::map<std::type_index, Variable> variables_;
};

}  // namespace baton::simt
