#include "simt/tensor_core.h"

#include <bit>
#include <cstring>
#include <deque>
#include <map>
#include <vector>

namespace baton::simt {
namespace {

constexpr int kMaxColumns = 256;

/// A product of one warp: sixteen rows.
struct Product {
  WgmmaPart lanes[32];
  uint32_t first_row = 0;
};

struct WarpQueue {
  std::deque<Product> issued;
  /// Products of each committed group that are not done; the last entry is of the open group.
  std::deque<size_t> groups{0};
  bool fenced = false;
  size_t count = 0;
};

/// What makes the products of the four warps one.
struct Signature {
  uint64_t a_matrix, b_matrix;
  int n;
  bool b_across, accumulate, a_shared;
  bool operator==(const Signature&) const = default;
};

struct TensorCores {
  std::map<int, WarpQueue> warps;
  std::map<int, std::vector<Signature>> warpgroups;
};

WarpQueue& Mine() { return OfBlock<TensorCores>().warps[Self().warp]; }

float FromBFloat16(uint32_t bits) { return std::bit_cast<float>(bits << 16); }

float SharedElement(uint32_t address) {
  uint16_t bits = 0;
  std::memcpy(&bits, SharedAt(address), sizeof bits);
  return FromBFloat16(bits);
}

void ReadA(const Product& product, float (&a)[16][16]) {
  for (uint32_t row = 0; row < 16; ++row) {
    for (uint32_t k = 0; k < 16; ++k) {
      const WgmmaPart& part = product.lanes[row % 8 * 4 + k % 8 / 2];
      if (part.a == nullptr) {
        a[row][k] = SharedElement(MatrixElement(part.a_matrix, false, product.first_row + row, k));
      } else {
        const uint32_t word = part.a[row / 8 + k / 8 * 2];
        a[row][k] = FromBFloat16(k % 2 == 0 ? word & 0xffff : word >> 16);
      }
    }
  }
}

void Run(const Product& product) {
  const WgmmaPart& any = product.lanes[0];
  const auto n = static_cast<uint32_t>(any.n);
  float a[16][16];
  ReadA(product, a);
  float b[16][kMaxColumns];
  for (uint32_t k = 0; k < 16; ++k) {
    for (uint32_t j = 0; j < n; ++j) {
      b[k][j] = SharedElement(MatrixElement(any.b_matrix, any.b_across, j, k));
    }
  }
  for (uint32_t row = 0; row < 16; ++row) {
    float sum[kMaxColumns] = {};
    for (uint32_t k = 0; k < 16; ++k) {
      for (uint32_t j = 0; j < n; ++j) sum[j] += a[row][k] * b[k][j];
    }
    for (uint32_t j = 0; j < n; ++j) {
      float& d = product.lanes[row % 8 * 4 + j % 8 / 2].d[j / 8 * 4 + row / 8 * 2 + j % 2];
      d = any.accumulate ? d + sum[j] : sum[j];
    }
  }
}

/// One product at a time, so that one that is slow holds up those behind it.
void RunNextLater(WarpQueue& queue) {
  Later("wgmma", [&queue] {
    Run(queue.issued.front());
    queue.issued.pop_front();
    --queue.groups.front();
    while (queue.groups.size() > 1 && queue.groups.front() == 0) queue.groups.pop_front();
    if (!queue.issued.empty()) RunNextLater(queue);
  });
}

/// REQUIRES: all lanes are here, this code runs once for them.
void Enqueue(const WgmmaPart* const (&parts)[32], const Site& site) {
  WarpQueue& queue = Mine();
  const int warp = Self().warp;
  if (!queue.fenced) Fail("wgmma without a wgmma.fence since the last commit", site);
  Product product{.first_row = static_cast<uint32_t>(warp % 4) * 16};
  for (int lane = 0; lane < 32; ++lane) product.lanes[lane] = *parts[lane];
  const WgmmaPart& first = product.lanes[0];
  const Signature signature{first.a == nullptr ? first.a_matrix : 0,
                            first.b_matrix,
                            first.n,
                            first.b_across,
                            first.accumulate,
                            first.a == nullptr};
  std::vector<Signature>& of_group = OfBlock<TensorCores>().warpgroups[warp / 4];
  if (queue.count == of_group.size()) of_group.push_back(signature);
  if (!(of_group[queue.count++] == signature)) {
    Fail("warps of a warpgroup issue different products", site);
  }
  queue.issued.push_back(product);
  ++queue.groups.back();
  if (queue.issued.size() == 1) RunNextLater(queue);
}

struct Field {
  uint32_t bit;
  uint32_t bits;
};

/// A field of offsets, in bytes.
uint32_t Bytes(uint64_t matrix, Field field) {
  return static_cast<uint32_t>(matrix >> field.bit & ((uint64_t{1} << field.bits) - 1)) * 16;
}

}  // namespace

uint32_t MatrixElement(uint64_t matrix, bool across, uint32_t row, uint32_t k) {
  const uint32_t start = Bytes(matrix, {0, 14});
  const uint32_t leading = Bytes(matrix, {16, 14});
  const uint32_t stride = Bytes(matrix, {32, 14});
  const uint32_t mode = static_cast<uint32_t>(matrix >> 62);
  if ((matrix >> 49 & 7) != 0) Fail("a matrix descriptor with a base offset");
  // Pieces of 16 bytes in a row of the swizzle.
  const uint32_t pieces = mode == 0 ? 1 : 16u >> mode;
  uint32_t address = start;
  if (!across && pieces == 1) {
    // ((8, m), (8, 2)) : ((16, stride), (2, leading))
    address += row % 8 * 16 + row / 8 * stride + k % 8 * 2 + k / 8 * leading;
  } else if (!across) {
    // ((8, m), (16)) : ((row of the swizzle, stride), (2))
    address += row % 8 * pieces * 16 + row / 8 * stride + k * 2;
  } else if (pieces == 1) {
    // ((8, m), (8, k)) : ((2, stride), (16, leading))
    address += row % 8 * 2 + row / 8 * stride + k % 8 * 16 + k / 8 * leading;
  } else {
    // ((8 pieces, m), (8, k)) : ((2, leading), (row of the swizzle, stride))
    const uint32_t width = pieces * 8;
    address += row % width * 2 + row / width * leading + k % 8 * pieces * 16 + k / 8 * stride;
  }
  // The piece's number changes with the line of 128 bytes.
  return address ^ (address / 128 % pieces) * 16;
}

void IssueWgmma(WgmmaPart part, Site site) {
  const dim3& block = Self().block_dim;
  if (static_cast<int>(block.x * block.y * block.z) < (Self().warp / 4 + 1) * 128) {
    Fail("wgmma in a part of a warpgroup", site);
  }
  struct Call {
    WgmmaPart part;
    Site site;
  } call{part, site};
  WarpCollective<Call>(
      "wgmma", call,
      [](Call* const(&lanes)[32]) {
        const WgmmaPart* parts[32];
        for (int lane = 0; lane < 32; ++lane) parts[lane] = &lanes[lane]->part;
        Enqueue(parts, lanes[0]->site);
      },
      0xffffffffu, site);
}

void FenceWgmma(Site site) {
  MeetLanes(
      0xffffffffu, "wgmma.fence", nullptr, [](std::span<const Arrival>) { Mine().fenced = true; },
      site);
}

void CommitWgmma(Site site) {
  MeetLanes(
      0xffffffffu, "wgmma.commit_group", nullptr,
      [](std::span<const Arrival>) {
        WarpQueue& queue = Mine();
        queue.fenced = false;
        if (queue.groups.back() == 0) return;
        queue.groups.push_back(0);
      },
      site);
}

void WaitWgmma(size_t pending, Site site) {
  MeetLanes(0xffffffffu, "wgmma.wait_group", nullptr, nullptr, site);
  const WarpQueue& queue = Mine();
  WaitUntil(
      "wgmma.wait_group", [&] { return queue.groups.size() - 1 <= pending; }, site);
}

}  // namespace baton::simt
