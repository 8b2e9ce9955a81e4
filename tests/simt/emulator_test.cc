#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/device/host_stream.h"
#include "launch.h"
#include "ptx/kernel_order.h"
#include "shared_memory.h"

// The kernels here are compiled as kernels are: with device.h in front.
namespace baton::simt {
namespace {

using kernels::cuda::DynamicShared;
using kernels::cuda::Launch;
using kernels::cuda::StaticShared;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

template <class... Arguments>
void RunKernel(void (*kernel)(Arguments...), int blocks, int threads, size_t shared_bytes,
               std::type_identity_t<Arguments>... arguments) {
  Launch(kernel, dim3(static_cast<unsigned>(blocks)), dim3(static_cast<unsigned>(threads)),
         shared_bytes, nullptr, arguments...);
}

template <class... Arguments>
std::string FaultOf(void (*kernel)(Arguments...), int threads,
                    std::type_identity_t<Arguments>... arguments) {
  try {
    RunKernel(kernel, 1, threads, 0, arguments...);
  } catch (const Fault& fault) {
    return fault.what();
  }
  return "no fault";
}

/// What is said of a thread that touches a page of nobody.
#if defined(__SANITIZE_ADDRESS__)
constexpr char kUnmapped[] = "SEGV";
constexpr char kHeld[] = "SEGV";
#else
constexpr char kUnmapped[] = "simt: thread \\([0-9]+,0,0\\) of block \\([0-9]+,0,0\\) touched";
constexpr char kHeld[] = "before it waited for the kernels before, touched";
#endif

class Emulator : public testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override { SetSchedule(GetParam()); }
  void TearDown() override { SetSchedule(0); }
};
INSTANTIATE_TEST_SUITE_P(Seeds, Emulator, testing::Range<uint64_t>(0, 5));

__global__ void Index(int* out) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] += static_cast<int>(thread) + 1;
}

TEST_P(Emulator, RunsEveryThreadOfEveryBlockOnce) {
  std::vector<int> out(2 * 3 * 2 * 4 * 5 * 2);
  Launch(Index, dim3(2, 3, 2), dim3(4, 5, 2), 0, nullptr, out.data());
  for (size_t i = 0; i < out.size(); ++i) EXPECT_EQ(out[i], static_cast<int>(i % 40) + 1);
}

struct ReverseStorage {
  int values[128];
};

template <bool kBarrier>
__global__ void Reverse(int* out) {
  int* values = StaticShared<ReverseStorage>().values;
  values[threadIdx.x] = static_cast<int>(threadIdx.x);
  if constexpr (kBarrier) __syncthreads();
  out[blockIdx.x * blockDim.x + threadIdx.x] = values[blockDim.x - 1 - threadIdx.x];
}

TEST_P(Emulator, ShowsABarriersEffect) {
  std::vector<int> out(3 * 128);
  RunKernel(Reverse<true>, 3, 128, 0, out.data());
  for (size_t i = 0; i < out.size(); ++i) EXPECT_EQ(out[i], 127 - static_cast<int>(i % 128));
}

TEST_P(Emulator, ShowsAMissingBarrier) {
  std::vector<int> out(3 * 128);
  RunKernel(Reverse<false>, 3, 128, 0, out.data());
  EXPECT_THAT(out, testing::Contains(-1)) << "poison that was read before it was written";
}

__global__ void OneHalfWaits() {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

TEST_P(Emulator, ReportsADivergentBarrier) {
  EXPECT_THAT(FaultOf(OneHalfWaits, 64), HasSubstr("divergent __syncthreads"));
}

__global__ void OneExits() {
  if (threadIdx.x == 5) return;
  __syncthreads();
}

TEST_P(Emulator, ReportsABarrierThatAThreadNeverReaches) {
  EXPECT_THAT(FaultOf(OneExits, 64), HasSubstr("exit"));
}

__global__ void WaitsForNobody() {
  if (threadIdx.x < 32) BarrierSync(1, 64);
}

TEST_P(Emulator, SaysWhoWaitsWhereInADeadlock) {
  EXPECT_THAT(FaultOf(WaitsForNobody, 64),
              testing::AllOf(HasSubstr("deadlock: 32 of 64 threads have exited"),
                             HasSubstr("32 wait in a named barrier at emulator_test.cc:")));
}

__global__ void HandOver(int* out) {
  int* box = StaticShared<ReverseStorage>().values;
  if (threadIdx.x < 32) {
    box[threadIdx.x] = 7;
    BarrierArrive(1, 64);
  } else {
    BarrierSync(1, 64);
    out[threadIdx.x - 32] = box[threadIdx.x - 32];
  }
}

TEST_P(Emulator, LetsOneWarpArriveAndAnotherWait) {
  std::vector<int> out(32);
  RunKernel(HandOver, 1, 64, 0, out.data());
  EXPECT_THAT(out, Each(7));
}

__global__ void Shuffles(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  out[lane] = __shfl_sync(0xffffffffu, lane, 3);
  out[32 + lane] = __shfl_sync(0xffffffffu, lane, 9, 8);
  out[64 + lane] = __shfl_xor_sync(0xffffffffu, lane, 5);
  out[96 + lane] = __shfl_up_sync(0xffffffffu, lane, 2, 16);
  out[128 + lane] = __shfl_down_sync(0xffffffffu, lane, 3, 8);
}

TEST_P(Emulator, ShufflesByTheBook) {
  std::vector<int> out(160);
  RunKernel(Shuffles, 1, 32, 0, out.data());
  for (int lane = 0; lane < 32; ++lane) {
    const auto at = [&](int row) { return out[static_cast<size_t>(row * 32 + lane)]; };
    EXPECT_EQ(at(0), 3);
    EXPECT_EQ(at(1), lane / 8 * 8 + 1) << "the source counts within its group of eight";
    EXPECT_EQ(at(2), lane ^ 5);
    EXPECT_EQ(at(3), lane % 16 < 2 ? lane : lane - 2);
    EXPECT_EQ(at(4), lane % 8 + 3 < 8 ? lane + 3 : lane);
  }
}

__global__ void Votes(unsigned* out) {
  const unsigned lane = threadIdx.x;
  if (lane % 2 == 0) {
    out[lane] = __ballot_sync(0x55555555u, lane < 8);
  } else {
    out[lane] = __reduce_add_sync(0xaaaaaaaau, lane);
  }
  const unsigned alike = __match_any_sync(0xffffffffu, lane / 4);
  const int most = __reduce_max_sync(0xffffffffu, static_cast<int>(lane) - 40);
  if (lane == 9) {
    out[32] = alike;
    out[33] = static_cast<unsigned>(most);
    out[34] = 1;
  }
  const int any = __any_sync(0xffffffffu, lane == 31);
  const int all = __all_sync(0xffffffffu, lane == 31);
  if (lane == 0) out[34] = static_cast<unsigned>(any * 2 + all);
}

TEST_P(Emulator, VotesAndReducesOverTheLanesOfAMask) {
  std::vector<unsigned> out(35);
  RunKernel(Votes, 1, 32, 0, out.data());
  for (size_t lane = 0; lane < 32; ++lane) EXPECT_EQ(out[lane], lane % 2 == 0 ? 0x55U : 256U);
  EXPECT_EQ(out[32], 0xf00U);
  EXPECT_EQ(static_cast<int>(out[33]), -9);
  EXPECT_EQ(out[34], 2U);
}

__global__ void WrongMask() { __syncwarp(threadIdx.x == 3 ? 0xfu : 0xffffffffu); }

TEST_P(Emulator, ReportsLanesThatMeetWithDifferentMasks) {
  EXPECT_THAT(FaultOf(WrongMask, 32), HasSubstr("deadlock"));
}

__global__ void LateLane() {
  if (threadIdx.x == 3) return;
  __shfl_sync(0xffffffffu, 1, 0);
}

TEST_P(Emulator, ReportsALaneThatAShuffleNamesAndThatExits) {
  EXPECT_THAT(FaultOf(LateLane, 32), HasSubstr("exit"));
}

__global__ void Fill(size_t bytes) {
  if (threadIdx.x == 0) {
    for (size_t i = 0; i < bytes; ++i) DynamicShared()[i] = 1;
  }
}

TEST_P(Emulator, ReportsAWriteBehindTheDynamicSharedMemory) {
  EXPECT_NO_THROW(RunKernel(Fill, 2, 32, 1000, 1000));
  EXPECT_THROW(RunKernel(Fill, 2, 32, 1000, 1001), Fault);
  EXPECT_DEATH(RunKernel(Fill, 2, 32, 1000, 1025), kUnmapped);
}

__global__ void TouchBehind(int* array, int n) { array[threadIdx.x == 17 ? n : 0] = 1; }

TEST_P(Emulator, SaysWhichThreadTouchesWhatIsNotItsMemory) {
  const std::shared_ptr<std::byte> array = GuardedBytes(64 * sizeof(int));
  auto* ints = reinterpret_cast<int*>(array.get());
  EXPECT_NO_THROW(RunKernel(TouchBehind, 1, 32, 0, ints, 63));
  EXPECT_DEATH(RunKernel(TouchBehind, 1, 32, 0, ints, 64), kUnmapped);
}

TEST(EmulatorInOrder, ReportsAWriteBesideAnArray) {
  EXPECT_DEATH(
      {
        const std::shared_ptr<std::byte> array = GuardedBytes(65 * sizeof(int));
        RunKernel(TouchBehind, 1, 32, 0, reinterpret_cast<int*>(array.get()), -1);
      },
      "wrote beside an array of 260 bytes");
}

struct Early {
  const int* constant;
  int* before;
  int* out;
  /// Who waits, and who reads what kernels before write, or writes, before it has.
  int waiting;
  int reader;
  int writer;
};

__global__ void BeginEarly(Early early) {
  const int i = static_cast<int>(threadIdx.x);
  int value = early.constant[i];
  if (i == early.reader) value += early.before[i];
  if (i == early.writer) early.out[i] = value;
  if (i >= early.waiting) return;
  kernels::cuda::ptx::AwaitKernelsBefore();
  early.out[i] = value + early.before[i];
}

class EarlyLaunch : public testing::TestWithParam<uint64_t> {
 protected:
  static constexpr int kThreads = 64;

  EarlyLaunch() {
    SetSchedule(GetParam());
    for (int i = 0; i < kThreads; ++i) Ints(constant_)[i] = i, Ints(before_)[i] = 100;
    SetConstant(constant_.get());
  }
  static int* Ints(const std::shared_ptr<std::byte>& bytes) {
    return reinterpret_cast<int*>(bytes.get());
  }
  void Run(int waiting, int reader, int writer) {
    device::HostStream stream{1};
    kernels::cuda::LaunchEarly(BeginEarly, dim3(3), dim3(kThreads), 0, stream,
                               Early{.constant = Ints(constant_),
                                     .before = Ints(before_),
                                     .out = Ints(out_),
                                     .waiting = waiting,
                                     .reader = reader,
                                     .writer = writer});
  }

  const std::shared_ptr<std::byte> constant_ = GuardedBytes(kThreads * sizeof(int));
  const std::shared_ptr<std::byte> before_ = GuardedBytes(kThreads * sizeof(int));
  const std::shared_ptr<std::byte> out_ = GuardedBytes(kThreads * sizeof(int));
};

TEST_P(EarlyLaunch, ReadsConstantsBeforeItWaitsAndAllElseBehind) {
  Run(kThreads, -1, -1);
  for (int i = 0; i < kThreads; ++i) EXPECT_EQ(Ints(out_)[i], 100 + i);
}

TEST_P(EarlyLaunch, MayTouchNothingElseBefore) {
  EXPECT_DEATH(Run(kThreads, 17, -1), kHeld);
  EXPECT_DEATH(Run(kThreads, -1, 17), kHeld);
}

TEST_P(EarlyLaunch, WaitsWithAllItsThreads) { EXPECT_THROW(Run(kThreads - 1, -1, -1), Fault); }

INSTANTIATE_TEST_SUITE_P(Schedule, EarlyLaunch, testing::Values(0, 1, 2));

/// Each block waits for all others to have come before it goes on.
__global__ void MeetOtherBlocks(int* came, int* seen) {
  __syncthreads();
  if (threadIdx.x == 0) atomicAdd(came, 1);
  const int blocks = static_cast<int>(gridDim.x);
  WaitUntil("the other blocks", [=] { return *came == blocks; });
  __syncthreads();
  seen[blockIdx.x * blockDim.x + threadIdx.x] = static_cast<int>(blockIdx.x) + *came;
}

TEST_P(Emulator, RunsBlocksTogetherThatWaitForEachOther) {
  int came = 0;
  std::vector<int> seen(3 * 64);
  kernels::cuda::LaunchTogether(MeetOtherBlocks, dim3(3), dim3(64), nullptr, &came, seen.data());
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], static_cast<int>(i / 64) + 3);
}

TEST_P(Emulator, ReportsBlocksThatWaitForOthersThatRunLater) {
  int came = 0;
  std::vector<int> seen(3 * 64);
  EXPECT_THROW(RunKernel(MeetOtherBlocks, 3, 64, 0, &came, seen.data()), Fault);
}

__global__ void UseShared() { StaticShared<ReverseStorage>().values[threadIdx.x] = 0; }

TEST_P(Emulator, RefusesSharedMemoryOfBlocksThatRunTogether) {
  EXPECT_THROW(kernels::cuda::LaunchTogether(UseShared, dim3(2), dim3(32), nullptr), Fault);
}

TEST_P(Emulator, RefusesMoreSharedMemoryThanABlockMayHave) {
  EXPECT_NO_THROW(RunKernel(Fill, 1, 32, 232448, 0));
  EXPECT_THROW(RunKernel(Fill, 1, 32, 232449, 0), Fault);
}

__global__ void CopyLater(const int* from, int* out, bool wait) {
  int* box = StaticShared<ReverseStorage>().values;
  int& done = OfBlock<int>();
  if (threadIdx.x == 0) {
    Later("a copy", [&done, from, box] {
      std::copy(from, from + 32, box);
      done = 1;
    });
  }
  if (wait) WaitUntil("the copy", [&done] { return done == 1; });
  out[threadIdx.x] = box[threadIdx.x];
  WaitUntil("the copy", [&done] { return done == 1; });
}

TEST_P(Emulator, DoesAsynchronousWorkByTheTimeThatSomebodyWaitsForIt) {
  std::vector<int> from(32, 5);
  std::vector<int> out(32);
  RunKernel(CopyLater, 1, 32, 0, from.data(), out.data(), true);
  EXPECT_THAT(out, Each(5));
}

TEST(EmulatorInOrder, DoesAsynchronousWorkNoSooner) {
  std::vector<int> from(32, 5);
  std::vector<int> out(32);
  RunKernel(CopyLater, 1, 32, 0, from.data(), out.data(), false);
  EXPECT_THAT(out, Each(-1));
}

__global__ void Forget() {
  if (threadIdx.x == 0) Later("a copy", [] {});
}

TEST(EmulatorInOrder, ReportsWorkThatABlockLeavesUnderWay) {
  EXPECT_THAT(FaultOf(Forget, 32), HasSubstr("a copy was under way"));
}

struct Sum {
  int mine = 0;
  int all = 0;
};

__global__ void SumOfWarpgroup(int* out) {
  Sum sum{.mine = static_cast<int>(threadIdx.x)};
  WarpgroupCollective<Sum>("a sum", sum, [](Sum* const(&threads)[128]) {
    int all = 0;
    for (const Sum* thread : threads) all += thread->mine;
    for (Sum* thread : threads) thread->all = all;
  });
  out[threadIdx.x] = sum.all;
}

TEST_P(Emulator, BringsTheThreadsOfAWarpgroupTogether) {
  std::vector<int> out(256);
  RunKernel(SumOfWarpgroup, 1, 256, 0, out.data());
  for (size_t i = 0; i < 256; ++i) EXPECT_EQ(out[i], i < 128 ? 8128 : 24512);
}

__global__ void CountUp(int* counter, int* order) {
  order[atomicAdd(counter, 1)] = static_cast<int>(threadIdx.x);
}

TEST(EmulatorSchedules, DifferBySeedAndRepeat) {
  const auto order = [](uint64_t seed) {
    SetSchedule(seed);
    int counter = 0;
    std::vector<int> ids(64);
    RunKernel(CountUp, 1, 64, 0, &counter, ids.data());
    SetSchedule(0);
    return ids;
  };
  std::vector<int> in_order(64);
  std::iota(in_order.begin(), in_order.end(), 0);
  EXPECT_EQ(order(0), in_order);
  EXPECT_NE(order(1), in_order);
  EXPECT_NE(order(1), order(2));
  EXPECT_EQ(order(1), order(1));
}

}  // namespace
}  // namespace baton::simt
