#include "baton/device/host_threads.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

namespace baton::device {
namespace {

/// A host of two nodes, as the kernel tells of them.
class TwoNodes {
 public:
  TwoNodes() {
    Write("node1/cpulist", "2-3,6-7\n");
    Write("node0/cpulist", "0-1,4-5\n");
    Write("possible", "0-1\n");
  }
  ~TwoNodes() { std::filesystem::remove_all(folder_); }
  TwoNodes(const TwoNodes&) = delete;
  TwoNodes& operator=(const TwoNodes&) = delete;
  std::vector<Cores> Of(const Cores& cores) const { return CoresByNode(cores, folder_); }

 private:
  void Write(const std::string& name, const std::string& text) const {
    const std::filesystem::path file = folder_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / ("two_nodes_" + std::to_string(getpid()));
};

TEST(CoresByNode, GroupsThemByTheNodeThatIsNear) {
  const TwoNodes host;
  EXPECT_EQ(host.Of({0, 1, 2, 3, 7}), (std::vector<Cores>{{0, 1}, {2, 3, 7}}));
  EXPECT_EQ(host.Of({3, 2}), (std::vector<Cores>{{3, 2}}));
}

TEST(CoresByNode, KeepsCoresOfWhichNoNodeIsKnown) {
  EXPECT_EQ(TwoNodes().Of({0, 9}), (std::vector<Cores>{{0}, {9}}));
  EXPECT_EQ(CoresByNode({0, 1}, "/no/such/folder"), (std::vector<Cores>{{0, 1}}));
}

TEST(HostThreads, AreOnNodesInProportionToTheirCores) {
  const HostThreads threads(6, {{0, 1}, {2, 3, 4, 5}});
  const std::vector<Cores> expected{{0, 1},       {0, 1},       {2, 3, 4, 5},
                                    {2, 3, 4, 5}, {2, 3, 4, 5}, {2, 3, 4, 5}};
  for (int i = 0; i < 6; ++i) EXPECT_EQ(threads.CoresOf(i), expected[static_cast<size_t>(i)]);
  EXPECT_EQ(HostThreads(2, {{0, 1}, {2, 3, 4, 5}}).CoresOf(1), (Cores{2, 3, 4, 5}));
  EXPECT_EQ(HostThreads(1, {{0, 1}, {2, 3}}).CoresOf(0), (Cores{0, 1}));
}

TEST(HostThreads, GoWhereTheyLikeWithinOneNode) {
  EXPECT_EQ(HostThreads(2).CoresOf(1), Cores{});
  EXPECT_EQ(HostThreads(2, {{0, 1}}).CoresOf(1), Cores{});
}

TEST(StayOnCores, LastsAsLongAsItLives) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  int last = CPU_SETSIZE - 1;
  while (!CPU_ISSET(static_cast<size_t>(last), &before)) --last;
  cpu_set_t set;
  {
    const StayOnCores stay({last});
    ASSERT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
    EXPECT_EQ(CPU_COUNT(&set), 1);
    EXPECT_TRUE(CPU_ISSET(static_cast<size_t>(last), &set));
  }
  ASSERT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  EXPECT_TRUE(CPU_EQUAL(&set, &before));
}

}  // namespace
}  // namespace baton::device
