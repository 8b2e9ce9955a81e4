#include <gmock/gmock.h>

#include "pair.h"

namespace baton::handoff {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

class PrefillSideTest : public HandoffPair {};

TEST_F(PrefillSideTest, PutsFullBlocksWhileTheRestIsStillComputed) {
  ASSERT_TRUE(Offer(7, 10, BlockRange(0, 3)).ok());
  prefill_->Blocks(SequenceId{1}, BlockRange(10, 3), 0);
  prefill_->KvReady(SequenceId{1}, 0, 4, 6);
  Pump();

  EXPECT_TRUE(BlockArrived(BlockId{10}, BlockId{0}));
  EXPECT_TRUE(BlockUntouched(BlockId{1}));
  EXPECT_THAT(d_.said, IsEmpty());
}

TEST_F(PrefillSideTest, PutsBlocksOfItsPrefixCacheAtOnce) {
  ASSERT_TRUE(Offer(7, 10, BlockRange(0, 3)).ok());
  prefill_->Blocks(SequenceId{1}, BlockRange(10, 3), 8);
  Pump();

  EXPECT_TRUE(BlockArrived(BlockId{10}, BlockId{0}));
  EXPECT_TRUE(BlockArrived(BlockId{11}, BlockId{1}));
  EXPECT_TRUE(BlockUntouched(BlockId{2}));
}

TEST_F(PrefillSideTest, LayerGroupsArriveWholeWhateverTheOrderOfChunks) {
  ASSERT_TRUE(Offer(7, 14, {BlockId{5}, BlockId{1}, BlockId{2}, BlockId{3}}).ok());
  prefill_->Blocks(SequenceId{1}, BlockRange(10, 4), 0);
  for (int32_t tokens : {5, 9, 14}) {
    for (int32_t layer = 0; layer < 4; layer += 2) {
      prefill_->KvReady(SequenceId{1}, layer, layer + 2, tokens);
      Pump();
    }
  }
  prefill_->Prefilled(SequenceId{1}, {.token = 1, .position = 14});
  Pump();

  EXPECT_THAT(d_.said, ElementsAre("committed 7"));
  EXPECT_TRUE(BlockArrived(BlockId{10}, BlockId{5}));
  for (int i = 1; i < 4; ++i) EXPECT_TRUE(BlockArrived(BlockId{10 + i}, BlockId{i}));
  EXPECT_EQ(p_.finished.transfer.bytes, 4 * SmallGeometry().block_bytes());
}

TEST_F(PrefillSideTest, AFailureOfTheEngineReachesTheDecodeSide) {
  ASSERT_TRUE(Offer(7, 10, BlockRange(0, 3)).ok());
  prefill_->Blocks(SequenceId{1}, BlockRange(10, 3), 0);
  prefill_->Failed(SequenceId{1}, ResourceExhausted("no memory"));
  Pump();

  EXPECT_THAT(d_.said, ElementsAre("failed 7 prefill", "released 7"));
  EXPECT_EQ(d_.last_status.message(), "no memory");
  EXPECT_THAT(p_.said, ElementsAre("offer 1", "finished 1 prefill"));
}

TEST_F(PrefillSideTest, TheEnginesCallsAfterTheEndAreIgnored) {
  ASSERT_TRUE(Offer(7, 10, BlockRange(0, 3)).ok());
  decode_->Cancel(SequenceId{7});
  Pump();
  PrefillAll(1, 10, BlockRange(10, 3));
  prefill_->Failed(SequenceId{1}, Internal("late"));

  EXPECT_THAT(p_.said, ElementsAre("offer 1", "abort 1", "finished 1 cancelled"));
  EXPECT_TRUE(BlockUntouched(BlockId{0}));
}

TEST_F(PrefillSideTest, RefusesMoreThanItsLimit) {
  prefill_options_.handoffs = 2;
  network_.Kill("d");
  network_.Kill("p");
  Start();
  for (uint64_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(Offer(i, 4, BlockRange(static_cast<int32_t>(i), 1)).ok());
  }

  EXPECT_THAT(d_.said, ElementsAre("failed 2 refused", "released 2"));
  EXPECT_EQ(d_.last_status.code(), StatusCode::kResourceExhausted);
}

TEST_F(PrefillSideTest, RefusesOffersWhileItDrainsAndFinishesTheRest) {
  ASSERT_TRUE(Offer(7, 4, BlockRange(0, 1)).ok());
  prefill_->Drain();
  ASSERT_TRUE(Offer(8, 4, BlockRange(1, 1)).ok());
  PrefillAll(1, 4, BlockRange(10, 1));

  EXPECT_THAT(d_.said, ElementsAre("failed 8 refused", "released 8", "committed 7"));
  EXPECT_EQ(d_.last_status.code(), StatusCode::kUnavailable);
}

TEST_F(PrefillSideTest, RefusesChecksumsOfKvThatIsOnOtherNodes) {
  decode_options_.checksums = true;
  network_.Kill("d");
  network_.Kill("p");
  Start();
  const transport::MemoryRegion elsewhere{.data = nullptr, .bytes = p_region_.bytes};
  prefill_ = std::make_unique<PrefillSide>(
      prefill_options_, LocalWorker{p_worker_, {p_region_, elsewhere}}, *p_transport_, p_, clock_);
  ASSERT_TRUE(prefill_->AddPeer(to_d_, {d_worker_, kConnection}).ok());
  ASSERT_TRUE(Offer(7, 4, BlockRange(0, 1)).ok());

  EXPECT_THAT(d_.said, ElementsAre("failed 7 refused", "released 7"));
  EXPECT_EQ(d_.last_status.code(), StatusCode::kInvalidArgument);
}

TEST_F(PrefillSideTest, ALostPeerAbortsAndReleasesWhenItsPutsHaveEnded) {
  ASSERT_TRUE(Offer(7, 10, BlockRange(0, 3)).ok());
  prefill_->Blocks(SequenceId{1}, BlockRange(10, 3), 8);
  prefill_->LosePeer(to_d_, Unavailable("gone"));
  EXPECT_THAT(p_.said, ElementsAre("offer 1", "abort 1"));
  p_transport_->Disconnect(to_d_);
  Pump();

  EXPECT_THAT(p_.said, ElementsAre("offer 1", "abort 1", "finished 1 peer_lost"));
}

TEST_F(PrefillSideTest, APromptThatWaitsTooLongIsGivenUp) {
  ASSERT_TRUE(Offer(7, 4, BlockRange(0, 1)).ok());
  for (int i = 0; i < 30; ++i) Advance(prefill_options_.queue_limit / 30);

  EXPECT_THAT(d_.said, ElementsAre("failed 7 deadline", "released 7"));
  EXPECT_THAT(p_.said, ElementsAre("offer 1", "abort 1", "finished 1 deadline"));
}

TEST_F(PrefillSideTest, APrefillThatStallsIsGivenUpThoughItMayTakeLong) {
  ASSERT_TRUE(Offer(7, 16, BlockRange(0, 4)).ok());
  prefill_->Blocks(SequenceId{1}, BlockRange(10, 4), 0);
  const auto wait_for = [&](Duration duration) {
    for (int i = 0; i < 30; ++i) Advance(duration / 30);
  };
  for (int32_t tokens = 1; tokens < 8; ++tokens) {
    wait_for(prefill_options_.stall_limit * 9 / 10);
    prefill_->KvReady(SequenceId{1}, 0, 4, tokens);
  }
  EXPECT_THAT(d_.said, IsEmpty());
  wait_for(prefill_options_.stall_limit);

  EXPECT_THAT(d_.said, ElementsAre("failed 7 deadline", "released 7"));
}

TEST_F(PrefillSideTest, PutsThatDoNotEndMakeThePeerStuck) {
  ASSERT_TRUE(Offer(7, 4, BlockRange(0, 1)).ok());
  network_.Sever("d", "p");
  PrefillAll(1, 4, BlockRange(10, 1));
  Advance(prefill_options_.transfer_limit);
  EXPECT_THAT(p_.said, ElementsAre("offer 1", "peer stuck"));

  prefill_->LosePeer(to_d_, Unavailable("stuck"));
  p_transport_->Disconnect(to_d_);
  Pump();
  EXPECT_THAT(p_.said, ElementsAre("offer 1", "peer stuck", "finished 1 deadline"));
}

TEST_F(PrefillSideTest, ReportsProgressThreeTimesPerLease) {
  ASSERT_TRUE(Offer(7, 4, BlockRange(0, 1)).ok());
  const size_t before = d_tap_.seen.size();
  for (int i = 0; i < 31; ++i) Advance(decode_options_.lease / 30);
  EXPECT_EQ(d_tap_.seen.size() - before, 3u);
}

TEST_F(PrefillSideTest, NamesItsNextDeadline) {
  EXPECT_EQ(prefill_->NextDeadline(), std::nullopt);
  ASSERT_TRUE(Offer(7, 4, BlockRange(0, 1)).ok());
  EXPECT_EQ(*prefill_->NextDeadline(), clock_.Now() + decode_options_.lease / 3);
  EXPECT_EQ(*decode_->NextDeadline(), clock_.Now() + decode_options_.lease);
}

}  // namespace
}  // namespace baton::handoff
