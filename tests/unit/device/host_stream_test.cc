#include "baton/device/host_stream.h"

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "baton/base/gate.h"

namespace baton::device {
namespace {

/// How often each element was covered, whether every range began at a multiple of the grain.
struct Coverage {
  Coverage(HostStream& stream, int64_t count, int64_t grain) : times(static_cast<size_t>(count)) {
    stream.ParallelFor(count, grain, [&](int64_t begin, int64_t end) {
      if (begin % grain != 0 || (end % grain != 0 && end != count)) ragged = true;
      for (int64_t i = begin; i < end; ++i) ++times[static_cast<size_t>(i)];
    });
  }
  bool Exact() const {
    for (const std::atomic<int>& time : times) {
      if (time != 1) return false;
    }
    return !ragged;
  }

  std::vector<std::atomic<int>> times;
  std::atomic<bool> ragged{false};
};

TEST(HostStream, CoversEveryElementOnceInWholeGrains) {
  for (const int threads : {1, 2, 3, 8}) {
    HostStream stream(threads);
    for (const int64_t count : {1, 2, 7, 16, 100, 1001}) {
      for (const int64_t grain : {1, 3, 16, 5000}) {
        EXPECT_TRUE(Coverage(stream, count, grain).Exact())
            << threads << " threads, " << count << " by " << grain;
      }
    }
  }
}

TEST(HostStream, LosesNoWorkOverManyShortLoops) {
  HostStream stream(4);
  std::atomic<int64_t> total{0};
  for (int i = 0; i < 20000; ++i) {
    stream.ParallelFor(8, 1, [&](int64_t begin, int64_t end) { total += end - begin; });
  }
  EXPECT_EQ(total, 160000);
}

TEST(HostStream, CallsNothingForAnEmptyLoop) {
  HostStream stream(2);
  stream.ParallelFor(0, 1, [](int64_t, int64_t) { FAIL() << "called"; });
}

TEST(HostStream, RunsRangesOnItsOtherThreads) {
  HostStream stream(2);
  const std::thread::id caller = std::this_thread::get_id();
  Gate helped;
  stream.ParallelFor(2, 1, [&](int64_t, int64_t) {
    // The caller holds its first range until a helper has taken the other one.
    if (std::this_thread::get_id() != caller) return helped.Open();
    EXPECT_TRUE(helped.Wait(std::chrono::seconds(60)));
  });
}

/// By thread, where the range began that it took first, in a loop in which each of `threads` takes
/// one before any takes another.
std::map<std::thread::id, int64_t> FirstRanges(HostStream& stream, int64_t count) {
  std::mutex mutex;
  std::map<std::thread::id, int64_t> first;
  Gate all;
  stream.ParallelFor(count, 1, [&](int64_t begin, int64_t) {
    {
      const std::lock_guard lock(mutex);
      if (!first.try_emplace(std::this_thread::get_id(), begin).second) return;
      if (static_cast<int>(first.size()) == stream.threads()) all.Open();
    }
    EXPECT_TRUE(all.Wait(std::chrono::seconds(60)));
  });
  return first;
}

TEST(HostStream, BeginsEachThreadWithTheSamePartOfEveryLoop) {
  HostStream stream(3);
  const std::map<std::thread::id, int64_t> first = FirstRanges(stream, 12);
  EXPECT_EQ(first.at(std::this_thread::get_id()), 0);
  std::set<int64_t> begins;
  for (const auto& [thread, begin] : first) begins.insert(begin);
  EXPECT_EQ(begins, (std::set<int64_t>{0, 4, 8}));
  for (const auto& [thread, begin] : FirstRanges(stream, 1200)) {
    EXPECT_EQ(begin, 100 * first.at(thread));
  }
}

TEST(HostStream, KeepsItsOtherThreadsWhereTheyWereToldToStay) {
  cpu_set_t own;
  ASSERT_EQ(sched_getaffinity(0, sizeof own, &own), 0);
  std::vector<Cores> nodes;
  for (int core = 0; core < CPU_SETSIZE && nodes.size() < 2; ++core) {
    if (CPU_ISSET(static_cast<size_t>(core), &own)) nodes.push_back({core});
  }
  if (nodes.size() < 2) GTEST_SKIP() << "one core only";
  HostStream stream({2, nodes});
  const std::thread::id caller = std::this_thread::get_id();
  Gate helped;
  stream.ParallelFor(2, 1, [&](int64_t, int64_t) {
    if (std::this_thread::get_id() == caller) {
      EXPECT_TRUE(helped.Wait(std::chrono::seconds(60)));
      return;
    }
    cpu_set_t set;
    EXPECT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
    EXPECT_EQ(CPU_COUNT(&set), 1);
    EXPECT_TRUE(CPU_ISSET(static_cast<size_t>(nodes[1][0]), &set));
    helped.Open();
  });
}

TEST(HostStream, LeavesNoPartToAThreadThatIsHeldUp) {
  HostStream stream(2);
  const std::thread::id caller = std::this_thread::get_id();
  Gate done;
  std::atomic<int> others_part{0};
  // The helper holds its first range until the caller has run all others, of its part as well.
  stream.ParallelFor(8, 1, [&](int64_t begin, int64_t) {
    if (std::this_thread::get_id() != caller) {
      EXPECT_TRUE(done.Wait(std::chrono::seconds(60)));
    } else if (begin >= 4 && ++others_part >= 3) {
      done.Open();
    }
  });
  EXPECT_GE(others_part, 3);
}

TEST(HostStream, RunsEverythingOnTheCallerWhenItIsAlone) {
  HostStream stream(1);
  EXPECT_EQ(stream.threads(), 1);
  std::set<std::thread::id> ids;
  stream.ParallelFor(100, 1, [&](int64_t, int64_t) { ids.insert(std::this_thread::get_id()); });
  EXPECT_EQ(ids, std::set{std::this_thread::get_id()});
}

TEST(HostStream, MakesWritesOfHelpersVisibleToTheCaller) {
  HostStream stream(3);
  std::vector<int64_t> squares(1000);
  for (int64_t round = 1; round < 200; ++round) {
    stream.ParallelFor(1000, 10, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) squares[static_cast<size_t>(i)] = i * round;
    });
    ASSERT_EQ(squares[999], 999 * round);
    ASSERT_EQ(squares[500], 500 * round);
  }
}

TEST(HostStreamDeathTest, AbortsOnALoopInsideALoop) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        HostStream stream(1);
        stream.ParallelFor(
            1, 1, [&](int64_t, int64_t) { stream.ParallelFor(1, 1, [](int64_t, int64_t) {}); });
      },
      "inside a parallel loop");
}

}  // namespace
}  // namespace baton::device
