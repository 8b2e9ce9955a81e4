#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/base/dtype.h"
#include "launch.h"
#include "ptx/mbarrier.h"
#include "ptx/registers.h"
#include "ptx/tma.h"
#include "ptx/wgmma.h"
#include "shared_memory.h"

// The emulations of wgmma, TMA, mbarriers and setmaxnreg. The kernels here are compiled as kernels
// are: with device.h in front.
namespace baton::simt {
namespace {

namespace ptx = kernels::cuda::ptx;
using kernels::cuda::DynamicShared;
using kernels::cuda::Launch;
using ptx::Swizzle;
using testing::HasSubstr;

template <class... Arguments>
void RunKernel(void (*kernel)(Arguments...), int threads, size_t shared_bytes,
               std::type_identity_t<Arguments>... arguments) {
  Launch(kernel, dim3(1), dim3(static_cast<unsigned>(threads)), shared_bytes, nullptr,
         arguments...);
}

template <class... Arguments>
std::string FaultOf(void (*kernel)(Arguments...), int threads, size_t shared_bytes,
                    std::type_identity_t<Arguments>... arguments) {
  try {
    RunKernel(kernel, threads, shared_bytes, arguments...);
  } catch (const Fault& fault) {
    return fault.what();
  }
  return "no fault";
}

class Hopper : public testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override { SetSchedule(GetParam()); }
  void TearDown() override { SetSchedule(0); }
};
INSTANTIATE_TEST_SUITE_P(Seeds, Hopper, testing::Range<uint64_t>(0, 5));

/// Small whole numbers: their products and sums are exact.
std::vector<BFloat16> Numbers(int rows, int width, int seed) {
  std::vector<BFloat16> values;
  for (int i = 0; i < rows * width; ++i) {
    values.push_back(ToBFloat16(static_cast<float>((i * 7 + i / width * 3 + seed) % 13 - 6)));
  }
  return values;
}

ptx::TensorMap MapOf(const std::vector<BFloat16>& matrix, int rows, int width, Swizzle swizzle) {
  return ptx::MakeTensorMap({.base = matrix.data(),
                             .rank = 2,
                             .extent = {static_cast<uint64_t>(width), static_cast<uint64_t>(rows)},
                             .stride_bytes = {static_cast<uint64_t>(width) * 2},
                             .box = {ptx::SwizzleBytes(swizzle) / 2, static_cast<uint32_t>(rows)},
                             .swizzle = swizzle});
}

constexpr int kExtent = 64;
constexpr uint32_t kTileBytes = kExtent * kExtent * 2;

/// [64, 64] in columns as wide as the swizzle, each [64][swizzle bytes].
template <Swizzle kSwizzle>
struct Columns {
  static constexpr uint32_t kWidthBytes = ptx::SwizzleBytes(kSwizzle);
  static constexpr uint32_t kBytes = kExtent * kWidthBytes;
  static constexpr int kCount = kTileBytes / kBytes;

  static void Load(unsigned char* to, const ptx::TensorMap* map, ptx::Mbarrier* barrier) {
    for (int i = 0; i < kCount; ++i) {
      ptx::LoadBox(to + i * kBytes, map, barrier, i * static_cast<int>(kWidthBytes) / 2, 0);
    }
  }
  /// Of step `k` of 16 where the rows run along K.
  static ptx::MatrixDescriptor AlongK(const unsigned char* tile, uint32_t k) {
    if (kSwizzle == Swizzle::kNone) {
      return ptx::EncodeMatrix(ptx::SharedAddress(tile) + k / 8 * kBytes, kBytes, 8 * kWidthBytes,
                               kSwizzle);
    }
    return ptx::Advanced(ptx::AlongK(tile, 8 * kWidthBytes, kSwizzle),
                         k * 2 / kWidthBytes * kBytes + k * 2 % kWidthBytes);
  }
  /// Where the rows run along N.
  static ptx::MatrixDescriptor AcrossK(const unsigned char* tile, uint32_t k) {
    if (kSwizzle == Swizzle::kNone) {
      return ptx::EncodeMatrix(ptx::SharedAddress(tile) + k * kWidthBytes, 8 * kWidthBytes, kBytes,
                               kSwizzle);
    }
    return ptx::Advanced(ptx::AcrossK(tile, kBytes, 8 * kWidthBytes, kSwizzle), k * kWidthBytes);
  }
};

/// d [64, 64] = a [64, 64] b, where b is [N, K], or across [K, N].
template <Swizzle kSwizzle, bool kAcross>
__global__ void Multiply(const ptx::TensorMap a, const ptx::TensorMap b, float* d) {
  unsigned char* tile_a = DynamicShared();
  unsigned char* tile_b = tile_a + kTileBytes;
  auto* barrier = reinterpret_cast<ptx::Mbarrier*>(tile_b + kTileBytes);
  if (threadIdx.x == 0) {
    ptx::InitMbarrier(barrier, 1);
    ptx::FenceMbarrierInit();
    ptx::ArriveAndExpect(barrier, 2 * kTileBytes);
    Columns<kSwizzle>::Load(tile_a, &a, barrier);
    Columns<kSwizzle>::Load(tile_b, &b, barrier);
  }
  __syncthreads();
  ptx::Wait(barrier, 0);
  float sums[32];
  ptx::FenceWgmma();
  for (uint32_t k = 0; k < kExtent; k += 16) {
    const ptx::MatrixDescriptor of_a = Columns<kSwizzle>::AlongK(tile_a, k);
    const ptx::MatrixDescriptor of_b =
        kAcross ? Columns<kSwizzle>::AcrossK(tile_b, k) : Columns<kSwizzle>::AlongK(tile_b, k);
    if (k == 0) {
      ptx::Wgmma<64>::FromShared<kAcross, false>(sums, of_a, of_b);
    } else {
      ptx::Wgmma<64>::FromShared<kAcross, true>(sums, of_a, of_b);
    }
  }
  ptx::CommitWgmma();
  ptx::WaitWgmma<0>();
  const unsigned lane = threadIdx.x % 32;
  for (unsigned i = 0; i < 32; ++i) {
    const unsigned row = threadIdx.x / 32 * 16 + lane / 4 + i / 2 % 2 * 8;
    d[row * kExtent + i / 4 * 8 + lane % 4 * 2 + i % 2] = sums[i];
  }
}

template <Swizzle kSwizzle, bool kAcross>
void ExpectExactProduct() {
  const std::vector<BFloat16> a = Numbers(kExtent, kExtent, 1);
  const std::vector<BFloat16> b = Numbers(kExtent, kExtent, 5);
  std::vector<float> d(kExtent * kExtent);
  RunKernel(Multiply<kSwizzle, kAcross>, 128, 2 * kTileBytes + 8,
            MapOf(a, kExtent, kExtent, kSwizzle), MapOf(b, kExtent, kExtent, kSwizzle), d.data());
  for (size_t row = 0; row < kExtent; ++row) {
    for (size_t n = 0; n < kExtent; ++n) {
      float exact = 0;
      for (size_t k = 0; k < kExtent; ++k) {
        exact += ToFloat(a[row * kExtent + k]) *
                 ToFloat(kAcross ? b[k * kExtent + n] : b[n * kExtent + k]);
      }
      ASSERT_EQ(d[row * kExtent + n], exact) << row << ", " << n;
    }
  }
}

TEST_P(Hopper, MultipliesTilesAlongKInEverySwizzle) {
  ExpectExactProduct<Swizzle::kNone, false>();
  ExpectExactProduct<Swizzle::k32, false>();
  ExpectExactProduct<Swizzle::k64, false>();
  ExpectExactProduct<Swizzle::k128, false>();
}

TEST_P(Hopper, MultipliesTilesAcrossKInEverySwizzle) {
  ExpectExactProduct<Swizzle::kNone, true>();
  ExpectExactProduct<Swizzle::k32, true>();
  ExpectExactProduct<Swizzle::k64, true>();
  ExpectExactProduct<Swizzle::k128, true>();
}

/// The figures of the PTX ISA's drawings, so that copies and products are not only wrong together.
TEST(MatrixDescriptors, PlaceElementsAsThePtxIsaDrawsThem) {
  const auto along = ptx::EncodeMatrix(2048, 16, 1024, Swizzle::k128);
  EXPECT_EQ(MatrixElement(along, false, 0, 1), 2048U + 2);
  EXPECT_EQ(MatrixElement(along, false, 1, 0), 2048U + 128 + 16);
  EXPECT_EQ(MatrixElement(along, false, 7, 8), 2048U + 7 * 128 + 6 * 16);
  EXPECT_EQ(MatrixElement(along, false, 9, 0), 2048U + 1024 + 128 + 16);
  const auto across = ptx::EncodeMatrix(2048, 8192, 1024, Swizzle::k128);
  EXPECT_EQ(MatrixElement(across, true, 63, 0), 2048U + 126);
  EXPECT_EQ(MatrixElement(across, true, 64, 0), 2048U + 8192);
  EXPECT_EQ(MatrixElement(across, true, 0, 9), 2048U + 1024 + 128 + 16);
  const auto narrow = ptx::EncodeMatrix(0, 16, 512, Swizzle::k64);
  EXPECT_EQ(MatrixElement(narrow, false, 1, 0), 64U);
  EXPECT_EQ(MatrixElement(narrow, false, 2, 0), 128U + 16);
  const auto plain = ptx::EncodeMatrix(0, 256, 128, Swizzle::kNone);
  EXPECT_EQ(MatrixElement(plain, false, 9, 8), 128U + 16 + 256);
  EXPECT_EQ(MatrixElement(plain, true, 9, 8), 128U + 2 + 256);
}

enum class Slip { kNone, kNoWait, kNoFence, kDiverges, kOverwrites };

/// A product of ones with the 64 x 16 ones in shared memory: 16 everywhere.
template <Slip kSlip>
__global__ void Ones(float* out) {
  auto* tile = reinterpret_cast<uint16_t*>(DynamicShared());
  for (unsigned i = threadIdx.x; i < 64 * 16; i += blockDim.x) tile[i] = 0x3f80;
  ptx::FenceAsyncProxy();
  __syncthreads();
  const ptx::MatrixDescriptor b =
      ptx::EncodeMatrix(ptx::SharedAddress(tile), 1024, 128, Swizzle::kNone);
  const uint32_t a[4] = {0x3f803f80, 0x3f803f80, 0x3f803f80, 0x3f803f80};
  float d[32] = {};
  if (kSlip != Slip::kNoFence) ptx::FenceWgmma();
  ptx::Wgmma<64>::FromRegisters<false, true>(
      d, a, ptx::Advanced(b, kSlip == Slip::kDiverges && threadIdx.x >= 64 ? 16 : 0));
  ptx::CommitWgmma();
  if (kSlip == Slip::kNoWait) out[threadIdx.x] = d[5];
  if (kSlip == Slip::kOverwrites) tile[threadIdx.x] = 0;
  ptx::WaitWgmma<0>();
  if (kSlip != Slip::kNoWait) out[threadIdx.x] = d[5];
}

template <Slip kSlip>
std::vector<float> OnesOf() {
  std::vector<float> out(128);
  RunKernel(Ones<kSlip>, 128, 2048, out.data());
  return out;
}

TEST_P(Hopper, HasAProductAfterTheWait) {
  EXPECT_THAT(OnesOf<Slip::kNone>(), testing::Each(16.0f));
}

TEST(Wgmma, HasNoProductBeforeTheWait) {
  EXPECT_THAT(OnesOf<Slip::kNoWait>(), testing::Each(0.0f));
}

TEST(Wgmma, ReadsWhatATileHoldsAtTheWait) {
  EXPECT_THAT(OnesOf<Slip::kOverwrites>(), testing::Contains(testing::Ne(16.0f)));
}

TEST(Wgmma, WantsAFenceAndAWholeWarpgroupThatDoesTheSame) {
  float out[128];
  EXPECT_THAT(FaultOf(Ones<Slip::kNoFence>, 128, 2048, out), HasSubstr("wgmma.fence"));
  EXPECT_THAT(FaultOf(Ones<Slip::kDiverges>, 128, 2048, out), HasSubstr("different products"));
  EXPECT_THAT(FaultOf(Ones<Slip::kNone>, 96, 2048, out), HasSubstr("part of a warpgroup"));
}

/// Copies the box at (c0, c1) of a matrix and stores it as it lies.
__global__ void CopyBox(const ptx::TensorMap map, int c0, int c1, int offset, bool fences,
                        uint16_t* out, int elements) {
  unsigned char* tile = DynamicShared();
  auto* barrier = reinterpret_cast<ptx::Mbarrier*>(tile + 4096);
  if (threadIdx.x == 0) {
    ptx::InitMbarrier(barrier, 1);
    if (fences) ptx::FenceMbarrierInit();
    ptx::ArriveAndExpect(barrier, static_cast<uint32_t>(elements) * 2);
    ptx::LoadBox(tile + offset, &map, barrier, c0, c1);
  }
  __syncthreads();
  ptx::Wait(barrier, 0);
  for (int i = static_cast<int>(threadIdx.x); i < elements; i += 32) {
    out[i] = reinterpret_cast<const uint16_t*>(tile)[i];
  }
}

TEST_P(Hopper, FillsABoxWithZerosOutsideOfTheTensor) {
  const std::vector<BFloat16> matrix(5 * 8, BFloat16{7});
  const ptx::TensorMap map = ptx::MakeTensorMap({.base = matrix.data(),
                                                 .rank = 2,
                                                 .extent = {8, 5},
                                                 .stride_bytes = {16},
                                                 .box = {16, 4},
                                                 .swizzle = Swizzle::kNone});
  uint16_t out[64];
  RunKernel(CopyBox, 32, 4104, map, -2, 3, 0, true, out, 64);
  for (int i = 0; i < 64; ++i) {
    const int column = i % 16 - 2;
    EXPECT_EQ(out[i], column >= 0 && column < 8 && i / 16 + 3 < 5 ? 7 : 0) << i;
  }
}

TEST(TensorCopies, WantAnAlignedPlaceAndAFencedBarrier) {
  const std::vector<BFloat16> matrix(8 * 64);
  const ptx::TensorMap map = MapOf(matrix, 8, 64, Swizzle::k128);
  uint16_t out[512];
  EXPECT_THAT(FaultOf(CopyBox, 32, 4104, map, 0, 0, 128, true, out, 512),
              HasSubstr("a multiple of 1024 bytes"));
  EXPECT_THAT(FaultOf(CopyBox, 32, 4104, map, 0, 0, 0, false, out, 512), HasSubstr("not fenced"));
}

TEST(TensorCopies, ThatExpectTooManyBytesAreWaitedForInVain) {
  const std::vector<BFloat16> matrix(8 * 64);
  uint16_t out[1024];
  EXPECT_THAT(
      FaultOf(CopyBox, 32, 4104, MapOf(matrix, 8, 64, Swizzle::k128), 0, 0, 0, true, out, 1024),
      HasSubstr("deadlock"));
}

TEST(TensorMaps, AreCheckedAsTheDriverChecksThem) {
  std::vector<BFloat16> matrix(64);
  TensorCopyMap map{.base = reinterpret_cast<const std::byte*>(matrix.data()),
                    .rank = 2,
                    .extent = {8, 8},
                    .stride_bytes = {16},
                    .box = {8, 8}};
  EXPECT_EQ(WhyNotATensorMap(map), "");
  map.box[1] = 257;
  EXPECT_EQ(WhyNotATensorMap(map), "a box of 1 to 256");
  map.box[1] = 8;
  map.stride_bytes[0] = 24;
  EXPECT_EQ(WhyNotATensorMap(map), "strides of 16 bytes' multiples");
  map.stride_bytes[0] = 16;
  map.base += 2;
  EXPECT_EQ(WhyNotATensorMap(map), "a base aligned to 16 bytes");
}

/// Two warps hand a number to and fro: warp 0 adds, warp 1 doubles.
__global__ void HandOver(int* out) {
  auto* barriers = reinterpret_cast<ptx::Mbarrier*>(DynamicShared());
  auto* value = reinterpret_cast<int*>(barriers + 2);
  if (threadIdx.x == 0) {
    ptx::InitMbarrier(&barriers[0], 32);
    ptx::InitMbarrier(&barriers[1], 32);
    *value = 0;
  }
  __syncthreads();
  const unsigned mine = threadIdx.x / 32;
  for (uint32_t round = 0; round < 4; ++round) {
    // Of the barrier that nobody has used yet the phase before has ended.
    ptx::Wait(&barriers[1 - mine], (round + (mine == 0 ? 1 : 0)) % 2);
    if (threadIdx.x % 32 == 0) *value = mine == 0 ? *value + 1 : *value * 2;
    ptx::Arrive(&barriers[mine]);
  }
  __syncthreads();
  if (threadIdx.x == 0) *out = *value;
}

TEST_P(Hopper, EndsAPhaseOfAnMbarrierWithItsLastArrival) {
  int out = 0;
  RunKernel(HandOver, 64, 32, &out);
  EXPECT_EQ(out, 30);
}

__global__ void ArriveTooOften() {
  auto* barrier = reinterpret_cast<ptx::Mbarrier*>(DynamicShared());
  ptx::InitMbarrier(barrier, 2);
  ptx::ArriveAndExpect(barrier, 16);
  ptx::Arrive(barrier);
  ptx::Arrive(barrier);
}

__global__ void ArriveUninitialised() {
  ptx::Arrive(reinterpret_cast<ptx::Mbarrier*>(DynamicShared()));
}

__global__ void WriteOverABarrier() {
  auto* barrier = reinterpret_cast<ptx::Mbarrier*>(DynamicShared());
  ptx::InitMbarrier(barrier, 1);
  DynamicShared()[3] = 0;
  ptx::Arrive(barrier);
}

TEST(Mbarriers, ShowMisuse) {
  EXPECT_THAT(FaultOf(ArriveTooOften, 1, 8), HasSubstr("an arrival too many"));
  EXPECT_THAT(FaultOf(ArriveUninitialised, 1, 8), HasSubstr("not initialised"));
  EXPECT_THAT(FaultOf(WriteOverABarrier, 1, 8), HasSubstr("written over"));
}

/// 384 threads start with 168 registers each; two warpgroups want 240 when one keeps kKept.
template <uint32_t kKept>
__global__ void Share() {
  if (threadIdx.x < 128) {
    ptx::KeepRegisters<kKept>();
  } else {
    ptx::TakeRegisters<240>();
  }
}

TEST_P(Hopper, TakesRegistersOnceOthersHaveGivenThemBack) { RunKernel(Share<24>, 384, 0); }

TEST(Registers, ThatNobodyGivesBackAreWaitedForInVain) {
  EXPECT_THAT(FaultOf(Share<40>, 384, 0), HasSubstr("deadlock"));
  EXPECT_THAT(FaultOf(Share<200>, 384, 0), HasSubstr("wrong direction"));
}

}  // namespace
}  // namespace baton::simt
