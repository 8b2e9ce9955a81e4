#include <functional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/base/random.h"
#include "baton/collective/communicator.h"
#include "baton/device/host_stream.h"
#include "gathered.h"
#include "support/link_pair.h"

namespace baton::collective {
namespace {

using testing::HasSubstr;
using Rows = std::vector<std::vector<float>>;
using Body = std::function<void(Communicator&, device::Stream&)>;

/// All nodes of a worker within this process.
struct Nodes {
  Nodes(int32_t nodes, int32_t ranks_per_node) {
    NodeGroupParts leader{.nodes = nodes, .ranks_per_node = ranks_per_node, .links = {}};
    for (int32_t node = 1; node < nodes; ++node) {
      auto [here, there] = nodes::MakeLinkPair("node 0", "node " + std::to_string(node));
      leader.links.push_back(here);
      links.push_back(there);
      groups.push_back(MakeNodeGroup(
          {.node = node, .nodes = nodes, .ranks_per_node = ranks_per_node, .links = {there}}));
    }
    groups.insert(groups.begin(), MakeNodeGroup(std::move(leader)));
  }

  /// `body` on a thread for each rank.
  void OnAllRanks(const Body& body) {
    std::vector<std::jthread> threads;
    for (Group& group : groups) {
      for (auto& rank : group) {
        threads.emplace_back([&body, &rank] {
          device::HostStream stream(1);
          body(*rank, stream);
        });
      }
    }
  }

  /// By node.
  std::vector<Group> groups;
  /// Of the followers.
  std::vector<std::shared_ptr<nodes::Link>> links;
};

/// Numbers of such different sizes that sums in another order differ.
Rows Operands(int32_t ranks, int64_t count) {
  Random random(5);
  Rows rows(static_cast<size_t>(ranks));
  for (auto& row : rows) {
    for (int64_t i = 0; i < count; ++i) {
      row.push_back(static_cast<float>((2 * random.Uniform() - 1) * (i % 3 == 0 ? 1000.0 : 0.1)));
    }
  }
  return rows;
}

Body Sum(Rows& rows) {
  return [&rows](Communicator& rank, device::Stream& stream) {
    auto& row = rows[static_cast<size_t>(rank.rank())];
    rank.AllReduce({.x = row.data(), .count = static_cast<int64_t>(row.size())}, stream);
  };
}

TEST(NodeGroup, SumsHaveTheBitsOfOneProcess) {
  for (const auto& [nodes, ranks_per_node] : {std::pair{2, 1}, {2, 2}, {3, 1}, {4, 2}}) {
    Nodes several(nodes, ranks_per_node);
    Group one = MakeHostGroup(nodes * ranks_per_node);
    for (const int64_t count : {1, 5, 4097, 65'536, 65'537, 200'001}) {
      Rows rows = Operands(nodes * ranks_per_node, count);
      Rows expected = rows;
      {
        std::vector<std::jthread> threads;
        for (auto& rank : one) {
          threads.emplace_back([&] {
            device::HostStream stream(1);
            Sum(expected)(*rank, stream);
          });
        }
      }
      several.OnAllRanks(Sum(rows));
      EXPECT_TRUE(rows == expected) << nodes << " nodes, " << count << " elements";
    }
  }
}

TEST(NodeGroup, NumbersRanksThroughAllNodes) {
  const Nodes several(3, 2);
  EXPECT_EQ(several.groups[2][1]->rank(), 5);
  EXPECT_EQ(several.groups[2][1]->ranks(), 6);
}

TEST(NodeGroup, GathersColumnsThatDoNotDivide) {
  constexpr int64_t kRows = 3;
  constexpr int64_t kColumns = 11;
  for (const auto& [nodes, ranks_per_node] : {std::pair{2, 1}, {2, 2}, {3, 1}}) {
    Nodes several(nodes, ranks_per_node);
    std::vector<float> y(kRows * kColumns, -1);
    several.OnAllRanks([&](Communicator& rank, device::Stream& stream) {
      GatherNumbers(rank, stream, kRows, kColumns, y);
    });
    for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], static_cast<float>(i));
  }
}

TEST(NodeGroup, GivesAllRanksWhatRankZeroHasAtThatTime) {
  Nodes several(3, 2);
  several.OnAllRanks([](Communicator& rank, device::Stream& stream) {
    for (int round = 0; round < 200; ++round) {
      std::vector<int> x(3, rank.rank() == 0 ? round : -1);
      rank.Broadcast({.x = x.data(), .bytes = 2 * sizeof(int)}, stream);
      ASSERT_EQ(x, (std::vector{round, round, rank.rank() == 0 ? round : -1}));
    }
  });
}

TEST(NodeGroup, KeepsRoundsOfAllKindsApart) {
  Nodes several(2, 2);
  several.OnAllRanks([](Communicator& rank, device::Stream& stream) {
    for (int round = 0; round < 300; ++round) {
      std::vector<float> x(1 + static_cast<size_t>(round % 7), static_cast<float>(rank.rank()));
      rank.AllReduce({.x = x.data(), .count = static_cast<int64_t>(x.size())}, stream);
      ASSERT_THAT(x, testing::Each(6.0F));
      int token = rank.rank() == 0 ? round : -1;
      rank.Broadcast({.x = &token, .bytes = sizeof token}, stream);
      ASSERT_EQ(token, round);
    }
  });
}

TEST(NodeGroup, StopsWaitingOnEveryNodeForARankThatGaveUp) {
  Nodes several(3, 2);
  several.OnAllRanks([](Communicator& rank, device::Stream& stream) {
    if (rank.rank() == 3) {
      rank.Abort(Unavailable("its device is sick"));
      return;
    }
    std::vector<float> x(10);
    rank.AllReduce({.x = x.data(), .count = 10}, stream);
    EXPECT_FALSE(rank.status().ok()) << rank.rank();
  });
  EXPECT_EQ(several.groups[1][0]->status().message(), "its device is sick");
  EXPECT_THAT(several.groups[0][0]->status().message(), HasSubstr("node 1 is lost"));
  EXPECT_THAT(several.groups[2][1]->status().message(), HasSubstr("node 0 is lost"));
}

TEST(NodeGroup, EndsByNameWhenANodeIsGone) {
  Nodes several(2, 1);
  several.links[0]->Shutdown();
  device::HostStream stream(1);
  std::vector<float> x(10);
  several.groups[0][0]->AllReduce({.x = x.data(), .count = 10}, stream);
  EXPECT_THAT(several.groups[0][0]->status().message(), HasSubstr("node 1 is lost"));
}

}  // namespace
}  // namespace baton::collective
