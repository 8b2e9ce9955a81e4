#include "nccl_group.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <future>
#include <map>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/base/mailbox.h"
#include "baton/device/host_memory.h"
#include "baton/device/host_stream.h"

namespace baton::collective {
namespace {

using testing::Each;
using testing::HasSubstr;

/// What the ranks of one fake communicator share: sums as the host makes them, and by sender and
/// receiver what was sent.
struct Shared {
  explicit Shared(size_t ranks) : group(MakeHostGroup(static_cast<int32_t>(ranks))), sent(ranks) {
    for (auto& to : sent) {
      for (size_t r = 0; r < ranks; ++r) to.emplace_back(1024);
    }
  }
  Group group;
  std::vector<std::deque<Mailbox<std::vector<std::byte>>>> sent;
};

/// What ends of communicators wait for, and that they came.
struct Ending {
  std::shared_future<void> held_up;
  Mailbox<int> told{64};
};

class FakeCommunicator final : public nccl::Communicator {
 public:
  FakeCommunicator(size_t rank, std::shared_ptr<Shared> shared, int& sums, Ending& ending,
                   std::atomic<bool>& aborted)
      : rank_(rank), shared_(std::move(shared)), sums_(sums), ending_(ending), aborted_(aborted) {}

  Result<bool> Ready() override { return true; }
  Status GroupStart() override { return OkStatus(); }
  Status GroupEnd() override { return OkStatus(); }
  Status Send(const void* data, uint64_t bytes, int peer, void* /*stream*/) override {
    const auto* begin = static_cast<const std::byte*>(data);
    EXPECT_TRUE(shared_->sent[rank_][static_cast<size_t>(peer)].TrySend({begin, begin + bytes}));
    return OkStatus();
  }
  Status Receive(void* data, uint64_t bytes, int peer, void* /*stream*/) override {
    const auto sent =
        shared_->sent[static_cast<size_t>(peer)][rank_].Receive(std::chrono::seconds(60));
    if (!sent || sent->size() != bytes) return Unavailable("not what was sent");
    std::memcpy(data, sent->data(), bytes);
    return OkStatus();
  }
  Status AllReduce(void* x, uint64_t count, DType dtype, void* /*stream*/) override {
    ++sums_;
    shared_->group[rank_]->AllReduce({.x = x, .dtype = dtype, .count = static_cast<int64_t>(count)},
                                     stream_);
    return OkStatus();
  }
  void AbortAndWait() override {
    EXPECT_TRUE(ending_.told.TrySend(1));
    if (ending_.held_up.valid()) ending_.held_up.wait();
    aborted_ = true;
    shared_->group[rank_]->Abort(Unavailable("aborted"));
  }

 private:
  const size_t rank_;
  const std::shared_ptr<Shared> shared_;
  int& sums_;
  Ending& ending_;
  std::atomic<bool>& aborted_;
  device::HostStream stream_{1};
};

class FakeLibrary final : public nccl::Library, public Ending {
 public:
  int version() const override { return nccl::kLeastVersion; }
  Result<nccl::UniqueId> MakeUniqueId() override {
    nccl::UniqueId id{};
    id[0] = static_cast<char>(++ids);
    return id;
  }
  std::unique_ptr<nccl::Communicator> Begin(const nccl::UniqueId&, int, int) override {
    return nullptr;
  }
  Result<std::vector<std::unique_ptr<nccl::Communicator>>> ConnectAndWait(
      std::span<const int> devices) override {
    const auto shared = std::make_shared<Shared>(devices.size());
    std::vector<std::unique_ptr<nccl::Communicator>> ranks;
    for (size_t r = 0; r < devices.size(); ++r) {
      const auto device = static_cast<size_t>(devices[r]);
      ranks.push_back(
          std::make_unique<FakeCommunicator>(r, shared, sums[device], *this, aborted[device]));
    }
    return ranks;
  }

  Result<std::vector<std::unique_ptr<nccl::Communicator>>> JoinAndWait(
      const nccl::UniqueId& id, const nccl::Ranks& ranks,
      const std::function<void(int here)>& make_current) override {
    auto& shared = by_id[id[0]];
    if (shared == nullptr) shared = std::make_shared<Shared>(static_cast<size_t>(ranks.all));
    std::vector<std::unique_ptr<nccl::Communicator>> joined;
    for (int r = 0; r < ranks.here; ++r) {
      make_current(r);
      const auto rank = static_cast<size_t>(ranks.first + r);
      joined.push_back(
          std::make_unique<FakeCommunicator>(rank, shared, sums[rank], *this, aborted[rank]));
    }
    return joined;
  }

  int ids = 0;
  std::map<char, std::shared_ptr<Shared>> by_id;
  /// By device.
  std::array<int, 8> sums{};
  std::array<std::atomic<bool>, 8> aborted{};
};

/// The groups of two nodes of `ranks` in all, joined one after the other.
std::vector<Group> TwoNodes(const std::shared_ptr<FakeLibrary>& library, int32_t ranks,
                            device::DeviceMemory& memory) {
  const std::string ids = *MakeNcclIdsOf(*library, ranks, true);
  std::vector<Group> groups;
  for (const int32_t node : {0, 1}) {
    NcclNodeParts parts{.here = {}, .first_rank = node * ranks / 2, .ranks = ranks, .ids = ids};
    parts.here.memories.assign(static_cast<size_t>(ranks) / 2, &memory);
    groups.push_back(*MakeNcclNodeGroupOf(library, parts));
  }
  return groups;
}

TEST(NcclGroupOfNodes, SumsWithTheBitsOfOneProcess) {
  for (const int32_t ranks : {2, 4, 8}) {
    const auto library = std::make_shared<FakeLibrary>();
    device::HostMemory memory;
    std::vector<Group> nodes = TwoNodes(library, ranks, memory);
    std::vector<int> devices(static_cast<size_t>(ranks));
    for (size_t r = 0; r < devices.size(); ++r) devices[r] = static_cast<int>(r);
    const auto other = std::make_shared<FakeLibrary>();
    Group one = *MakeNcclGroupOf(other, {.devices = devices}, nullptr);
    std::vector<std::vector<float>> x(devices.size());
    for (size_t r = 0; r < x.size(); ++r) x[r] = {1e8F, 1.0F + static_cast<float>(r), -1e8F, 0.1F};
    auto expected = x;
    const auto sum = [](Communicator& rank, std::vector<float>& row) {
      device::HostStream stream(1);
      rank.AllReduce({.x = row.data(), .count = static_cast<int64_t>(row.size())}, stream);
    };
    {
      std::vector<std::jthread> threads;
      for (auto& rank : one) {
        threads.emplace_back([&] { sum(*rank, expected[static_cast<size_t>(rank->rank())]); });
      }
      for (Group& node : nodes) {
        for (auto& rank : node) {
          EXPECT_EQ(rank->ranks(), ranks);
          threads.emplace_back([&] { sum(*rank, x[static_cast<size_t>(rank->rank())]); });
        }
      }
    }
    EXPECT_EQ(x, expected);
  }
}

TEST(NcclGroupOfNodes, RefusesIdsOfAnotherGroup) {
  const auto library = std::make_shared<FakeLibrary>();
  device::HostMemory memory;
  NcclNodeParts parts{.here = {}, .ranks = 4, .ids = *MakeNcclIdsOf(*library, 2, true)};
  parts.here.memories = {&memory, &memory};
  EXPECT_EQ(MakeNcclNodeGroupOf(library, parts).status().code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE(MakeNcclIdsOf(*library, 6, true).ok());
}

class NcclGroup : public testing::TestWithParam<int> {
 protected:
  std::vector<int> Devices() const {
    std::vector<int> devices;
    for (int i = 0; i < GetParam(); ++i) devices.push_back(i);
    return devices;
  }
  template <typename Body>
  static void OnAllRanks(Group& group, const Body& body) {
    std::vector<std::jthread> threads;
    for (auto& rank : group) {
      threads.emplace_back([&body, &rank] {
        device::HostStream stream(1);
        body(*rank, stream);
      });
    }
  }

  std::shared_ptr<FakeLibrary> library_ = std::make_shared<FakeLibrary>();
};

TEST_P(NcclGroup, SumsByPairsToTheSameBitsOnAllRanks) {
  Group group = *MakeNcclGroupOf(library_, {.devices = Devices()}, nullptr);
  std::vector<std::vector<float>> x(group.size());
  for (size_t r = 0; r < x.size(); ++r) {
    for (int i = 0; i < 100; ++i) {
      x[r].push_back(static_cast<float>(i + 1) / static_cast<float>(3 * r + 7));
    }
  }
  // Neighbours first, then neighbouring pairs, and so on.
  std::vector<std::vector<float>> partial = x;
  for (size_t distance = 1; distance < x.size(); distance *= 2) {
    for (size_t r = 0; r < x.size(); r += 2 * distance) {
      for (size_t i = 0; i < partial[r].size(); ++i) partial[r][i] += partial[r + distance][i];
    }
  }
  OnAllRanks(group, [&](Communicator& rank, device::Stream& stream) {
    rank.AllReduce({.x = x[static_cast<size_t>(rank.rank())].data(), .count = 100}, stream);
  });
  EXPECT_THAT(x, Each(partial[0]));
}

TEST_P(NcclGroup, SumsAtOnceWhereOrderDoesNotMatter) {
  Group group = *MakeNcclGroupOf(library_, {.devices = Devices(), .deterministic = false}, nullptr);
  std::vector<std::vector<float>> x(group.size(), {1.0f, 2.0f});
  OnAllRanks(group, [&](Communicator& rank, device::Stream& stream) {
    rank.AllReduce({.x = x[static_cast<size_t>(rank.rank())].data(), .count = 2}, stream);
  });
  const auto ranks = static_cast<float>(GetParam());
  EXPECT_THAT(x, Each(std::vector<float>{ranks, 2 * ranks}));
  EXPECT_EQ(library_->sums[0], GetParam() == 1 ? 0 : 1);
}

TEST_P(NcclGroup, GathersColumnsOnRankZero) {
  constexpr int64_t kRows = 3;
  constexpr int64_t kColumns = 21;
  Group group = *MakeNcclGroupOf(library_, {.devices = Devices()}, nullptr);
  std::vector<float> y(kRows * kColumns);
  OnAllRanks(group, [&](Communicator& rank, device::Stream& stream) {
    const int64_t begin = PartBegin(kColumns, rank.rank(), rank.ranks());
    const int64_t end = PartBegin(kColumns, rank.rank() + 1, rank.ranks());
    std::vector<float> x;
    for (int64_t t = 0; t < kRows; ++t) {
      for (int64_t c = begin; c < end; ++c) x.push_back(static_cast<float>(t * kColumns + c));
    }
    if (rank.rank() == 0) {
      for (int64_t t = 0; t < kRows; ++t) {
        std::copy_n(x.begin() + t * end, end, y.begin() + t * kColumns);
      }
    }
    rank.Gather({.x = x.data(), .y = y.data(), .rows = kRows, .columns = kColumns}, stream);
  });
  for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], static_cast<float>(i));
}

TEST_P(NcclGroup, SendsToAllWhatRankZeroHas) {
  Group group = *MakeNcclGroupOf(library_, {.devices = Devices()}, nullptr);
  std::vector<std::vector<int>> x(group.size(), {-1, -1});
  x[0] = {7, 8};
  OnAllRanks(group, [&](Communicator& rank, device::Stream& stream) {
    rank.Broadcast({.x = x[static_cast<size_t>(rank.rank())].data(), .bytes = sizeof(int)}, stream);
  });
  EXPECT_EQ(x[0], (std::vector{7, 8}));
  for (size_t r = 1; r < x.size(); ++r) EXPECT_EQ(x[r], (std::vector{7, -1})) << "rank " << r;
}

TEST_P(NcclGroup, AbortsTheCommunicatorsOfAllRanks) {
  Group group = *MakeNcclGroupOf(library_, {.devices = Devices()}, nullptr);
  group.back()->Abort(Unavailable("sick"));
  EXPECT_EQ(group.front()->status(), Unavailable("sick"));
  group.clear();
  for (int device = 0; device < GetParam(); ++device) {
    EXPECT_TRUE(library_->aborted[static_cast<size_t>(device)]);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, NcclGroup, testing::Values(1, 2, 4, 8));

TEST(NcclGroupOfTwo, AbortsAllWhileTheEndOfOneWaitsForRecordings) {
  const auto library = std::make_shared<FakeLibrary>();
  Group group = *MakeNcclGroupOf(library, {.devices = {0, 1}}, nullptr);
  std::promise<void> forgotten;
  library->held_up = forgotten.get_future().share();
  group.front()->Abort(Unavailable("sick"));
  EXPECT_EQ(group.back()->status(), Unavailable("sick"));
  // Each is told, though none of them is through.
  for (int i = 0; i < 4; ++i) EXPECT_EQ(library->told.Receive(std::chrono::seconds(60)), 1);
  forgotten.set_value();
  group.clear();
  EXPECT_TRUE(library->aborted[0] && library->aborted[1]);
}

/// A table whose sums over peers write down what they were asked for.
std::vector<ops::PeerSumParams>& Asked() {
  static std::vector<ops::PeerSumParams> asked;
  return asked;
}
ops::Ops TableWithPeerSums() {
  Asked().clear();
  ops::Ops ops;
  ops.peer_sum_workspace_bytes = []() -> size_t { return 256; };
  ops.peer_sum_most_bytes = [](int32_t ranks, bool) -> int64_t { return ranks == 2 ? 64 : 0; };
  ops.peer_sum = [](const ops::PeerSumParams& p, device::Stream&) { Asked().push_back(p); };
  return ops;
}

struct PeerGroup {
  PeerGroup() { group = *MakeNcclGroupOf(library, parts, *PeerSums::Create(parts)); }

  const ops::Ops ops = TableWithPeerSums();
  std::vector<device::HostMemory> memories{2};
  const CudaGroupParts parts{
      .devices = {0, 1}, .memories = {&memories[0], &memories[1]}, .ops = &ops};
  const std::shared_ptr<FakeLibrary> library = std::make_shared<FakeLibrary>();
  Group group;
  device::HostStream stream{1};
};

TEST(NcclGroupOfPeers, GivesSmallSumsToTheKernelThatReadsThePeersMemory) {
  PeerGroup peers;
  alignas(16) float x[16] = {};
  peers.group[1]->AllReduce({.x = x, .count = 16}, peers.stream);
  ASSERT_EQ(Asked().size(), 1U);
  const ops::PeerSumParams& asked = Asked().front();
  EXPECT_EQ(asked.x, x);
  EXPECT_EQ(asked.rank, 1);
  EXPECT_EQ(asked.ranks, 2);
  EXPECT_NE(asked.workspaces[0], asked.workspaces[1]);
  EXPECT_EQ(*asked.ended, 0U);
  EXPECT_EQ(peers.library->sums[1], 0);
}

TEST(NcclGroupOfPeers, LeavesLargeAndUnevenSumsToNccl) {
  PeerGroup peers;
  alignas(16) float x[2][32] = {};
  for (const auto& [first, count] : {std::pair(0, 20), std::pair(0, 3), std::pair(1, 4)}) {
    std::vector<std::jthread> threads;
    for (size_t r = 0; r < 2; ++r) {
      threads.emplace_back([&, r, first = first, count = count] {
        device::HostStream stream(1);
        peers.group[r]->AllReduce({.x = x[r] + first, .count = count}, stream);
      });
    }
  }
  EXPECT_TRUE(Asked().empty());
  EXPECT_EQ(peers.library->sums[0], 3);
}

TEST(NcclGroupOfPeers, LetsNoPeerWaitOnceOneHasEndedTheGroup) {
  PeerGroup peers;
  alignas(16) float x[16] = {};
  peers.group[0]->AllReduce({.x = x, .count = 16}, peers.stream);
  peers.group[1]->Abort(Unavailable("sick"));
  EXPECT_EQ(*Asked().front().ended, 1U);
  peers.group[0]->AllReduce({.x = x, .count = 16}, peers.stream);
  EXPECT_EQ(Asked().size(), 1U) << "a sum of a group that has ended";
}

TEST(NcclGroupOfPeers, HasNoPeersWhereTheTableHasNoSumsForThem) {
  device::HostMemory memory;
  const ops::Ops none;
  EXPECT_EQ(*PeerSums::Create({.devices = {0, 1}, .memories = {&memory, &memory}, .ops = &none}),
            nullptr);
  const ops::Ops ops = TableWithPeerSums();
  EXPECT_EQ(
      *PeerSums::Create(
          {.devices = {0, 1, 2, 3}, .memories = {&memory, &memory, &memory, &memory}, .ops = &ops}),
      nullptr);
}

TEST(NcclGroupOfThree, CannotBeDeterministic) {
  const auto library = std::make_shared<FakeLibrary>();
  EXPECT_THAT(MakeNcclGroupOf(library, {.devices = {0, 1, 2}}, nullptr).status().message(),
              HasSubstr("powers of two can"));
  EXPECT_TRUE(
      MakeNcclGroupOf(library, {.devices = {0, 1, 2}, .deterministic = false}, nullptr).ok());
}

}  // namespace
}  // namespace baton::collective
