#include <gmock/gmock.h>

#include "pair.h"

/// The six invariants of the protocol, each on the case that would break it most easily. The
/// simulation checks them after every event of many random runs.
namespace baton::handoff {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class HandoffInvariants : public HandoffPair {};

TEST_F(HandoffInvariants, OneOwnerTheCommitIsTheOnlyChangeOfHands) {
  ASSERT_TRUE(Offer(7, 8, BlockRange(0, 2)).ok());
  PrefillAll(1, 8, BlockRange(10, 2));
  const std::string commit = d_tap_.seen.back();
  GiveToDecode(commit);
  GiveToDecode(commit);

  EXPECT_THAT(d_.said, ElementsAre("committed 7"));
  EXPECT_THAT(p_.said, ElementsAre("offer 1", "finished 1"));
  EXPECT_EQ(decode_->Stats().ignored[Ignored::kDuplicate], 2);
}

TEST_F(HandoffInvariants, PinnedWhileMovingAnAbortWaitsForThePuts) {
  ASSERT_TRUE(Offer(7, 8, BlockRange(0, 2)).ok());
  prefill_->Blocks(SequenceId{1}, BlockRange(10, 2), 0);
  prefill_->KvReady(SequenceId{1}, 0, 4, 8);  // The puts are under way.
  decode_->Cancel(SequenceId{7});
  network_.Sever("d", "p");  // They do not end.
  Pump();
  prefill_->Failed(SequenceId{1}, Cancelled("given up"));
  Pump();

  EXPECT_THAT(p_.said, ElementsAre("offer 1"));  // Not finished: its blocks are being read.
  EXPECT_THAT(d_.said, IsEmpty());               // Not released: they are being written.
  p_transport_->Disconnect(to_d_);
  Pump();
  EXPECT_THAT(p_.said, ElementsAre("offer 1", "finished 1 prefill"));
}

TEST_F(HandoffInvariants, NoEarlyDecodeTheCommitFollowsTheLastPut) {
  ASSERT_TRUE(Offer(7, 8, BlockRange(0, 2)).ok());
  prefill_->Blocks(SequenceId{1}, BlockRange(10, 2), 0);
  network_.Sever("d", "p");  // Puts start but do not end.
  prefill_->Prefilled(SequenceId{1}, {.token = 1, .position = 8});
  Pump();

  EXPECT_EQ(prefill_->Stats().flushing, 1);
  EXPECT_EQ(prefill_->Stats().committed, 0);
  EXPECT_THAT(d_.said, IsEmpty());
}

TEST_F(HandoffInvariants, NoOrphanEveryReservationHasADeadline) {
  ASSERT_TRUE(Offer(1, 4, BlockRange(0, 1)).ok());
  ASSERT_TRUE(Offer(2, 4, BlockRange(1, 1)).ok());
  ASSERT_TRUE(Offer(3, 4, BlockRange(2, 1)).ok());
  network_.Sever("d", "p");
  decode_->Cancel(SequenceId{2});
  for (int i = 0; i < 2000 && decode_->NextDeadline(); ++i) {
    Advance(*decode_->NextDeadline() - clock_.Now());
    if (d_.said.back() == "peer stuck") decode_->LosePeer(to_p_, Unavailable("stuck"));
  }
  for (const char* released : {"released 1", "released 2", "released 3"}) {
    EXPECT_THAT(d_.said, testing::Contains(released));
  }
  EXPECT_EQ(decode_->NextDeadline(), std::nullopt);
}

TEST_F(HandoffInvariants, ReleaseLateOnlyAfterThePrefillSidesWord) {
  ASSERT_TRUE(Offer(7, 8, BlockRange(0, 2)).ok());
  d_tap_.deaf = true;
  Advance(decode_options_.lease);
  EXPECT_THAT(d_.said, ElementsAre("failed 7 lease_expired"));
  ASSERT_EQ(d_tap_.seen.empty(), false);
  d_tap_.deaf = false;
  GiveToDecode(d_tap_.seen.back());  // The acknowledgement.

  EXPECT_THAT(d_.said, ElementsAre("failed 7 lease_expired", "released 7"));
}

TEST_F(HandoffInvariants, BoundedBothTablesRefuseWhatIsTooMuch) {
  decode_options_.handoffs = 3;
  network_.Kill("d");
  network_.Kill("p");
  Start();
  for (uint64_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(Offer(i, 4, BlockRange(static_cast<int32_t>(i), 1)).ok());
  }
  EXPECT_EQ(Offer(3, 4, BlockRange(3, 1)).code(), StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace baton::handoff
