#include "ucx/ucx_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::transport {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kSharedLanes[] =
    "#   lane[0]:  3:sysv/memory.0 md[2]  -> md[2]/sysv/sysdev[255] am\n"
    "#   lane[1]:  4:posix/memory.0 md[3] -> md[3]/posix/sysdev[255]\n"
    "#   lane[2]:  5:cma/memory.0 md[4]   -> md[4]/cma/sysdev[255] rma_bw#0\n";

TEST(UcxPath, NamesSharedMemoryByWhatBacksIt) {
  const Path path = ReadLanes(kSharedLanes);
  EXPECT_EQ(path.text, "shared memory (sysv, posix)");
  EXPECT_THAT(path.kinds, ElementsAre(PathKind::kSharedMemory));
}

TEST(UcxPath, NamesDevicesOfNetworks) {
  const Path tcp = ReadLanes(
      "# lane[0]:  0:tcp/lo.0 md[0]  -> md[0]/tcp/sysdev[255] rma_bw#0 am\n"
      "# lane[1]:  1:tcp/eth0.0 md[0]  -> md[0]/tcp/sysdev[255] wireup am_bw#0\n");
  EXPECT_EQ(tcp.text, "tcp (lo, eth0)");
  EXPECT_THAT(tcp.kinds, ElementsAre(PathKind::kTcp));
  const Path rdma =
      ReadLanes("# lane[0]: 7:rc_mlx5/mlx5_0:1.0 md[4] -> md[4]/ib/sysdev[0] am rma_bw#0\n");
  EXPECT_EQ(rdma.text, "rc_mlx5 (mlx5_0:1)");
  EXPECT_THAT(rdma.kinds, ElementsAre(PathKind::kRdma));
}

TEST(UcxPath, LeavesOutLanesThatOnlyConnect) {
  const Path path = ReadLanes(
      "# lane[0]: 7:rc_mlx5/mlx5_0:1.0 md[4] -> md[4]/ib/sysdev[0] am rma_bw#0\n"
      "# lane[1]: 0:tcp/eth0.0 md[0] -> md[0]/tcp/sysdev[255] wireup{tcp}\n");
  EXPECT_THAT(path.kinds, ElementsAre(PathKind::kRdma));
}

TEST(UcxPath, NamesEveryKindThatMayCarryData) {
  const Path path = ReadLanes(
      "# lane[0]: 3:sysv/memory.0 md[2] -> md[2]/sysv/sysdev[255] am\n"
      "# lane[1]: 0:tcp/eth0.0 md[0] -> md[0]/tcp/sysdev[255] rma_bw#0\n"
      "# lane[2]: 9:cuda_ipc/cuda.0 md[7] -> md[7]/cuda_ipc/sysdev[1] rma_bw#1\n"
      "# lane[3]: 9:carrier/pigeon.0 md[8] -> md[8]/carrier/sysdev[1] am_bw#0\n");
  EXPECT_EQ(KindNames(path), "shm+tcp+cuda_ipc+other");
}

TEST(UcxPath, SaysWhenItCannotTell) {
  for (const char* info : {"", "# am_send: 0..<egr/short>..93\n# lane[0]: nonsense\n"}) {
    EXPECT_EQ(ReadLanes(info).text, "unknown");
    EXPECT_THAT(ReadLanes(info).kinds, IsEmpty());
  }
}

TEST(UcxPath, NamesWhatAHostOffers) {
  const Path path = ReadResources(
      "#     component 4  :  ib\n"
      "#      resource 0  :  md 0  dev 0  flags -- self/memory0\n"
      "#      resource 1  :  md 1  dev 1  flags -- tcp/lo\n"
      "#      resource 2  :  md 1  dev 2  flags -- tcp/eth0\n"
      "#      resource 3  :  md 2  dev 3  flags -- sysv/memory\n"
      "#      resource 5  :  md 4  dev 3  flags -- cma/memory\n");
  EXPECT_EQ(path.text, "shared memory (sysv) and tcp (lo, eth0)");
  EXPECT_THAT(path.kinds, ElementsAre(PathKind::kTcp, PathKind::kSharedMemory));
}

}  // namespace
}  // namespace baton::transport
