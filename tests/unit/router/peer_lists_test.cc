#include "peer_lists.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::router {
namespace {

using Kind = PeerKnowledge::Kind;
using Peers = std::vector<rpc::PeerAddress>;

const rpc::PeerAddress kP0{"p0", "10.0.0.1:7000"};
const rpc::PeerAddress kP1{"p1", "10.0.0.2:7000"};
const rpc::PeerAddress kMovedP0{"p0", "10.0.0.9:7000"};

bool Never(const std::string&) { return false; }
bool Always(const std::string&) { return true; }

PeerKnowledgeByName Know(const rpc::PeerAddress& peer, Kind kind) {
  return {{peer.name, {kind, peer.address}}};
}
/// Joined with them.
rpc::WorkerStatus Joined(const Peers& peers) {
  rpc::WorkerStatus status{.peers = peers};
  for (const rpc::PeerAddress& peer : peers) status.joined_peers.push_back(peer.name);
  return status;
}
/// Told of them, but joined with none.
rpc::WorkerStatus Unjoined(const Peers& peers) {
  rpc::WorkerStatus status{.peers = peers};
  for (const rpc::PeerAddress& peer : peers) status.join_problems.push_back({peer.name, "away"});
  return status;
}

TEST(PeerLists, AddWhatADecodeWorkerLacks) {
  const auto known = Know(kP0, Kind::kPrefills);
  EXPECT_TRUE(MustBeTold({}, known, Never));
  EXPECT_EQ(PeersToTell({}, known, Never), Peers{kP0});
  EXPECT_FALSE(MustBeTold(Unjoined({kP0}), known, Never));
}

TEST(PeerLists, KeepWhatAnotherRouterTold) {
  const auto known = Know(kP0, Kind::kPrefills);
  EXPECT_TRUE(MustBeTold(Joined({kP1}), known, Never));
  EXPECT_EQ(PeersToTell(Joined({kP1}), known, Never), (Peers{kP0, kP1}));
  EXPECT_FALSE(MustBeTold(Joined({kP0, kP1}), known, Never));
}

TEST(PeerLists, ForgetAStrangerThatIsNotJoinedForLong) {
  EXPECT_FALSE(MustBeTold(Unjoined({kP1}), {}, Never));
  EXPECT_TRUE(MustBeTold(Unjoined({kP1}), {}, Always));
  EXPECT_EQ(PeersToTell(Unjoined({kP1}), {}, Always), Peers{});
}

TEST(PeerLists, TakeAwayWhoeverLeftOrDoesSomethingElse) {
  EXPECT_EQ(PeersToTell(Joined({kP0, kP1}), Know(kP0, Kind::kDoesNot), Never), Peers{kP1});
}

TEST(PeerLists, LeaveWhoeverIsAwayForNow) {
  EXPECT_EQ(PeersToTell(Unjoined({kP0}), Know(kP0, Kind::kMaybe), Always), Peers{kP0});
}

TEST(PeerLists, FollowAWorkerThatComesBackElsewhere) {
  const auto known = Know(kMovedP0, Kind::kPrefills);
  EXPECT_TRUE(MustBeTold(Unjoined({kP0}), known, Never));
  EXPECT_EQ(PeersToTell(Unjoined({kP0}), known, Never), Peers{kMovedP0});
}

TEST(PeerLists, NeverGoBackToAnAddressOfOld) {
  for (const Kind kind : {Kind::kMaybe, Kind::kDoesNot}) {
    EXPECT_EQ(PeersToTell(Joined({kMovedP0}), Know(kP0, kind), Never), Peers{kMovedP0});
  }
}

TEST(PeerLists, DoNotFightOverTwoOfOneName) {
  const auto known = Know(kMovedP0, Kind::kPrefills);
  EXPECT_FALSE(MustBeTold(Joined({kP0}), known, Never));
  EXPECT_EQ(PeersToTell(Joined({kP0}), known, Never), Peers{kP0});
}

TEST(PeerLists, TakeAWorkerThatTellsNoAddressesAtItsWord) {
  const rpc::WorkerStatus older{.joined_peers = {"p0"}};
  EXPECT_FALSE(MustBeTold(older, Know(kP0, Kind::kPrefills), Always));
  EXPECT_EQ(PeersToTell(older, Know(kP0, Kind::kPrefills), Never), Peers{kP0});
  EXPECT_EQ(PeersToTell(older, {}, Never), Peers{});
}

}  // namespace
}  // namespace baton::router
