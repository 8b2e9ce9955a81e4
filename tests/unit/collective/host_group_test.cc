#include <cstring>
#include <functional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/base/random.h"
#include "baton/collective/communicator.h"
#include "baton/device/host_stream.h"
#include "gathered.h"

namespace baton::collective {
namespace {

using Matrix = std::vector<std::vector<float>>;
using Body = std::function<void(Communicator&, device::Stream&)>;

/// `body` on a thread for each rank.
void OnAllRanks(Group& group, const Body& body, int threads_per_rank = 1) {
  std::vector<std::jthread> threads;
  for (auto& communicator : group) {
    threads.emplace_back([&body, &communicator, threads_per_rank] {
      device::HostStream stream(threads_per_rank);
      body(*communicator, stream);
    });
  }
}

/// One row for each rank; numbers of such different sizes that sums in another order differ.
Matrix Operands(int32_t ranks, int64_t count, uint64_t seed = 1) {
  Random random(seed);
  Matrix rows(static_cast<size_t>(ranks));
  for (auto& row : rows) {
    for (int64_t i = 0; i < count; ++i) {
      row.push_back(static_cast<float>((2 * random.Uniform() - 1) * (i % 3 == 0 ? 1000.0 : 0.1)));
    }
  }
  return rows;
}

std::vector<float> SumInRankOrder(const Matrix& rows) {
  std::vector<float> sum = rows[0];
  for (size_t r = 1; r < rows.size(); ++r) {
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += rows[r][i];
  }
  return sum;
}

void AllReduce(Matrix& rows, Group& group, int threads_per_rank = 1) {
  OnAllRanks(
      group,
      [&](Communicator& rank, device::Stream& stream) {
        auto& row = rows[static_cast<size_t>(rank.rank())];
        rank.AllReduce({.x = row.data(), .count = static_cast<int64_t>(row.size())}, stream);
      },
      threads_per_rank);
}

TEST(HostGroup, SumsInTheOrderOfRanksOnEachOfThem) {
  for (const int32_t ranks : {1, 2, 3, 4, 7}) {
    Group group = MakeHostGroup(ranks);
    for (const int64_t count : {0, 1, 5, 4095, 4096, 4097, 40'001}) {
      Matrix rows = Operands(ranks, count);
      const std::vector<float> expected = SumInRankOrder(rows);
      AllReduce(rows, group);
      EXPECT_THAT(rows, testing::Each(expected)) << ranks << " ranks, " << count << " elements";
    }
  }
}

TEST(HostGroup, GivesAnElementTheSameBitsAmongFewAndMany) {
  Group group = MakeHostGroup(4);
  Matrix many = Operands(4, 100'000);
  Matrix few;
  for (const auto& row : many) few.emplace_back(row.begin() + 500, row.begin() + 700);
  AllReduce(many, group);
  AllReduce(few, group);
  EXPECT_EQ(few[3], std::vector(many[3].begin() + 500, many[3].begin() + 700));
}

TEST(HostGroup, GivesTheSameBitsForAnyNumberOfThreads) {
  Group group = MakeHostGroup(2);
  Matrix rows = Operands(2, 300'000);
  const std::vector<float> expected = SumInRankOrder(rows);
  AllReduce(rows, group, 3);
  EXPECT_THAT(rows, testing::Each(expected));
}

TEST(HostGroup, KeepsManyRoundsOfAllSizesApart) {
  constexpr int kRounds = 2000;
  constexpr int32_t kRanks = 4;
  Group group = MakeHostGroup(kRanks);
  OnAllRanks(group, [](Communicator& rank, device::Stream& stream) {
    std::vector<float> x(6000);
    for (int round = 0; round < kRounds; ++round) {
      const size_t count = round % 16 == 0 ? 6000 : 1 + static_cast<size_t>(round % 100);
      std::fill_n(x.begin(), count, static_cast<float>(rank.rank() + round));
      rank.AllReduce({.x = x.data(), .count = static_cast<int64_t>(count)}, stream);
      const auto expected = static_cast<float>(kRanks * round + 6);
      ASSERT_TRUE(std::all_of(x.begin(), x.begin() + static_cast<ptrdiff_t>(count),
                              [&](float sum) { return sum == expected; }))
          << "round " << round;
    }
  });
}

TEST(HostGroup, GivesAllRanksWhatRankZeroHasAtThatTime) {
  for (const int32_t ranks : {1, 2, 4}) {
    Group group = MakeHostGroup(ranks);
    OnAllRanks(group, [](Communicator& rank, device::Stream& stream) {
      for (int round = 0; round < 500; ++round) {
        std::vector<int> x(3, rank.rank() == 0 ? round : -1);
        rank.Broadcast({.x = x.data(), .bytes = 2 * sizeof(int)}, stream);
        ASSERT_EQ(x, (std::vector{round, round, rank.rank() == 0 ? round : -1}));
        x.assign(3, -2);
      }
    });
  }
}

TEST(HostGroup, GathersColumnsThatDoNotDivide) {
  constexpr int64_t kRows = 3;
  constexpr int64_t kColumns = 11;
  for (const int32_t ranks : {1, 2, 4}) {
    Group group = MakeHostGroup(ranks);
    std::vector<float> y(kRows * kColumns, -1);
    OnAllRanks(group, [&](Communicator& rank, device::Stream& stream) {
      GatherNumbers(rank, stream, kRows, kColumns, y);
    });
    for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], static_cast<float>(i));
  }
}

TEST(HostGroup, StopsWaitingForARankThatGaveUp) {
  Group group = MakeHostGroup(3);
  OnAllRanks(group, [](Communicator& rank, device::Stream& stream) {
    std::vector<float> x(10);
    if (rank.rank() == 1) return rank.Abort(Unavailable("rank 1 is sick"));
    for (int i = 0; i < 5; ++i) rank.AllReduce({.x = x.data(), .count = 10}, stream);
    rank.Gather({.x = x.data(), .y = x.data(), .rows = 1, .columns = 10}, stream);
  });
  group[2]->Abort(Internal("later"));
  EXPECT_EQ(group[0]->status(), Unavailable("rank 1 is sick"));
}

TEST(PartBegin, SplitsEvenlyAndWhole) {
  for (const int64_t count : {0, 1, 7, 64, 32'003}) {
    for (const int32_t ranks : {1, 2, 3, 8}) {
      EXPECT_EQ(PartBegin(count, 0, ranks), 0);
      EXPECT_EQ(PartBegin(count, ranks, ranks), count);
      for (int32_t r = 0; r < ranks; ++r) {
        const int64_t size = PartBegin(count, r + 1, ranks) - PartBegin(count, r, ranks);
        EXPECT_GE(size, count / ranks);
        EXPECT_LE(size, count / ranks + 1);
      }
    }
  }
}

}  // namespace
}  // namespace baton::collective
