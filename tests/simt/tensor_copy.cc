#include "simt/tensor_copy.h"

#include <array>
#include <cstring>

#include "simt/mbarrier.h"

namespace baton::simt {
namespace {

constexpr uint64_t kElementBytes = 2;
constexpr uint64_t kPieceBytes = 16;

/// PTX ISA, "Swizzling Modes": within `swizzle_bytes` the number of the piece is taken exclusive-or
/// the number of the 128-byte line, by the address of shared memory itself.
uint32_t Place(uint32_t address, uint32_t swizzle_bytes) {
  const uint32_t pieces = swizzle_bytes / kPieceBytes;
  const uint32_t line = address / 128;
  const uint32_t piece = address / kPieceBytes % 8;
  const uint32_t moved = piece ^ (line % pieces);
  return line * 128 + moved * kPieceBytes + address % kPieceBytes;
}

struct BoxCopy {
  TensorCopyMap map;
  std::array<int64_t, 5> corner{};
  uint32_t shared = 0;

  uint32_t Bytes() const {
    uint64_t bytes = kElementBytes;
    for (int i = 0; i < map.rank; ++i) bytes *= map.box[i];
    return static_cast<uint32_t>(bytes);
  }

  /// One by one, the innermost dimension fastest; zero outside of the tensor.
  void Run() const {
    std::array<uint32_t, 5> index{};
    for (uint32_t offset = 0; offset < Bytes(); offset += kElementBytes) {
      std::byte* to = SharedAt(Place(shared + offset, map.swizzle_bytes));
      const std::byte* from = From(index);
      if (from == nullptr) {
        std::memset(to, 0, kElementBytes);
      } else {
        std::memcpy(to, from, kElementBytes);
      }
      for (int i = 0; i < map.rank && ++index[static_cast<size_t>(i)] == map.box[i]; ++i) {
        index[static_cast<size_t>(i)] = 0;
      }
    }
  }

  const std::byte* From(const std::array<uint32_t, 5>& index) const {
    const std::byte* from = map.base;
    for (int i = 0; i < map.rank; ++i) {
      const int64_t at = corner[static_cast<size_t>(i)] + index[static_cast<size_t>(i)];
      if (at < 0 || static_cast<uint64_t>(at) >= map.extent[i]) return nullptr;
      from += at * static_cast<int64_t>(i == 0 ? kElementBytes : map.stride_bytes[i - 1]);
    }
    return from;
  }
};

}  // namespace

std::string WhyNotATensorMap(const TensorCopyMap& map) {
  if (map.rank < 1 || map.rank > 5) return "a rank of 1 to 5";
  if (reinterpret_cast<uintptr_t>(map.base) % 16 != 0) return "a base aligned to 16 bytes";
  for (int i = 0; i < map.rank; ++i) {
    if (map.extent[i] == 0 || map.extent[i] > uint64_t{1} << 32) return "an extent up to 2^32";
    if (map.box[i] == 0 || map.box[i] > 256) return "a box of 1 to 256";
    if (i == 0) continue;
    const uint64_t stride = map.stride_bytes[i - 1];
    if (stride % 16 != 0 || stride >= uint64_t{1} << 40) return "strides of 16 bytes' multiples";
  }
  const uint64_t row = map.box[0] * kElementBytes;
  if (row % 16 != 0) return "rows of the box of 16 bytes' multiples";
  // The unit takes shorter rows too; no kernel has use for what they look like.
  if (map.swizzle_bytes > 16 && row != map.swizzle_bytes) return "rows as wide as the swizzle";
  return "";
}

void CopyBoxLater(std::byte* shared, const TensorCopyMap& map, const int32_t* corner,
                  int coordinates, const uint64_t* barrier, Site site) {
  Yield();
  CheckMbarrier(barrier, site);
  if (coordinates != map.rank) Fail("as many coordinates as the tensor has dimensions", site);
  BoxCopy copy{.map = map, .shared = SharedAddress(shared)};
  const uint32_t alignment = map.swizzle_bytes == 16 ? 128 : 8 * map.swizzle_bytes;
  if (copy.shared % alignment != 0) {
    Fail("a box goes to a multiple of " + std::to_string(alignment) + " bytes", site);
  }
  for (int i = 0; i < coordinates; ++i) copy.corner[static_cast<size_t>(i)] = corner[i];
  Later("a copy of a box", [copy, barrier, site] {
    copy.Run();
    CompleteBytes(barrier, copy.Bytes(), site);
  });
}

void CopyRunLater(std::byte* shared, const std::byte* global, uint32_t bytes,
                  const uint64_t* barrier, Site site) {
  Yield();
  CheckMbarrier(barrier, site);
  if (SharedAddress(shared) % 16 != 0 || reinterpret_cast<uintptr_t>(global) % 16 != 0 ||
      bytes % 16 != 0) {
    Fail("a bulk copy of 16 bytes' multiples", site);
  }
  Later("a bulk copy", [shared, global, bytes, barrier, site] {
    std::memcpy(shared, global, bytes);
    CompleteBytes(barrier, bytes, site);
  });
}

}  // namespace baton::simt
