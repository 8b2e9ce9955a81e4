#include "ucx/ucx_path.h"

#include <gtest/gtest.h>

namespace baton::transport {
namespace {

TEST(UcxPath, NamesSharedMemoryByWhatBacksIt) {
  EXPECT_EQ(
      DescribeLanes("#   lane[0]:  3:sysv/memory.0 md[2]  -> md[2]/sysv/sysdev[255] am\n"
                    "#   lane[1]:  4:posix/memory.0 md[3] -> md[3]/posix/sysdev[255]\n"
                    "#   lane[2]:  5:cma/memory.0 md[4]   -> md[4]/cma/sysdev[255] rma_bw#0\n"),
      "shared memory (sysv, posix)");
}

TEST(UcxPath, NamesDevicesOfNetworks) {
  EXPECT_EQ(DescribeLanes("# lane[0]:  0:tcp/lo.0 md[0]  -> md[0]/tcp/sysdev[255] rma_bw#0 am\n"
                          "# lane[1]:  1:tcp/eth0.0 md[0]  -> md[0]/tcp/sysdev[255] wireup\n"),
            "tcp (lo, eth0)");
  EXPECT_EQ(DescribeLanes("# lane[0]: 7:rc_mlx5/mlx5_0:1.0 md[4] -> md[4]/ib/sysdev[0] am\n"),
            "rc_mlx5 (mlx5_0:1)");
}

TEST(UcxPath, SaysWhenItCannotTell) {
  EXPECT_EQ(DescribeLanes(""), "unknown");
  EXPECT_EQ(DescribeLanes("# am_send: 0..<egr/short>..93\n# lane[0]: nonsense\n"), "unknown");
}

}  // namespace
}  // namespace baton::transport
