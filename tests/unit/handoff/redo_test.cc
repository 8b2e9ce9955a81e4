#include <gmock/gmock.h>

#include "pair.h"

/// KV that was damaged on its way is noticed and handed over again.
namespace baton::handoff {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr int32_t kPrompt = 10;

class HandoffRedo : public HandoffPair {
 protected:
  void SetUp() override {
    decode_options_.checksums = true;
    Start();
    ASSERT_TRUE(Offer(7, kPrompt, BlockRange(3, 3), 4).ok());
  }

  /// The prefill side does its part; then a bit of the second block flips before its commit is
  /// read.
  void PrefillAndDamage(uint64_t sequence) {
    prefill_->Blocks(SequenceId{sequence}, BlockRange(20, 3), 0);
    prefill_->KvReady(SequenceId{sequence}, 0, SmallGeometry().layers, kPrompt);
    prefill_->Prefilled(SequenceId{sequence}, {.token = 42, .position = kPrompt});
    p_transport_->Progress();
    d_region_.data[4 * SmallGeometry().block_bytes() + 5] ^= std::byte{16};
  }
  int64_t Failures(Failure failure) {
    return decode_->Stats().failures[static_cast<size_t>(failure)];
  }
};

TEST_F(HandoffRedo, PutsTheSamePromptAgainUntilItArrives) {
  PrefillAndDamage(1);
  Pump();
  EXPECT_THAT(d_.said, IsEmpty());
  PrefillAndDamage(2);
  Pump();
  PrefillAll(3, kPrompt, BlockRange(30, 3));

  EXPECT_THAT(d_.said, ElementsAre("committed 7"));
  EXPECT_TRUE(BlockUntouched(BlockId{3}));
  EXPECT_TRUE(BlockArrived(BlockId{31}, BlockId{4}));
  EXPECT_TRUE(BlockArrived(BlockId{32}, BlockId{5}));
  EXPECT_EQ(p_.offered.at(2).prompt, p_.offered.at(0).prompt);
  EXPECT_EQ(decode_->Stats().redone, 2);
  EXPECT_EQ(Failures(Failure::kChecksum), 2);
}

TEST_F(HandoffRedo, GivesUpWithDataLossWhenDamageDoesNotEnd) {
  for (uint64_t sequence = 1; sequence <= 3; ++sequence) {
    PrefillAndDamage(sequence);
    Pump();
  }

  EXPECT_THAT(d_.said, ElementsAre("failed 7 checksum", "released 7"));
  EXPECT_EQ(d_.last_status.code(), StatusCode::kDataLoss);
  EXPECT_EQ(decode_->Stats().redone, 2);
  EXPECT_EQ(Failures(Failure::kChecksum), 3);
  EXPECT_EQ(p_.offered.size(), 3u);
}

TEST_F(HandoffRedo, OffersNothingBeforeTheOldPutsAreOverForCertain) {
  PrefillAndDamage(1);
  d_transport_->Progress();  // The commit is refused, the abort sent but not yet answered.

  EXPECT_EQ(decode_->Stats().aborting, 1);
  EXPECT_EQ(p_.offered.size(), 1u);
  p_tap_.deaf = true;
  Pump();
  EXPECT_EQ(decode_->Stats().aborting, 1);
  EXPECT_EQ(p_tap_.seen.size(), 2u) << "offer and abort, but no second offer";
}

TEST_F(HandoffRedo, AMessageOfTheDamagedAttemptCountsForNothing) {
  PrefillAndDamage(1);
  Pump();
  const std::string acknowledgement = d_tap_.seen.back();
  const std::string commit = d_tap_.seen.at(d_tap_.seen.size() - 2);
  GiveToDecode(commit);
  GiveToDecode(acknowledgement);

  EXPECT_THAT(d_.said, IsEmpty());
  EXPECT_EQ(decode_->Stats().offered, 1);
  EXPECT_EQ(decode_->Stats().ignored[Ignored::kDuplicate], 2);
}

TEST_F(HandoffRedo, ACancelWhileTheOldAttemptEndsStopsTheNext) {
  PrefillAndDamage(1);
  d_transport_->Progress();
  EXPECT_TRUE(decode_->Cancel(SequenceId{7}));
  Pump();

  EXPECT_THAT(d_.said, ElementsAre("released 7"));
  EXPECT_EQ(p_.offered.size(), 1u);
  EXPECT_EQ(decode_->Stats().redone, 0);
}

TEST_F(HandoffRedo, ACancelOfTheSecondAttemptEndsIt) {
  PrefillAndDamage(1);
  Pump();
  EXPECT_TRUE(decode_->Cancel(SequenceId{7}));
  Pump();

  EXPECT_THAT(d_.said, ElementsAre("released 7"));
  EXPECT_THAT(p_.said,
              ElementsAre("offer 1", "finished 1", "offer 2", "abort 2", "finished 2 cancelled"));
}

TEST_F(HandoffRedo, APeerLostWhileTheOldAttemptEndsFailsIt) {
  PrefillAndDamage(1);
  d_transport_->Progress();
  decode_->LosePeer(to_p_, Unavailable("gone"));
  d_transport_->Disconnect(to_p_);
  EXPECT_THAT(d_.said, ElementsAre("failed 7 peer_lost"));
  network_.Kill("p");
  Advance(std::chrono::seconds(1));

  EXPECT_THAT(d_.said, ElementsAre("failed 7 peer_lost", "released 7"));
}

TEST_F(HandoffRedo, APeerLostDuringTheSecondAttemptFailsIt) {
  PrefillAndDamage(1);
  Pump();
  decode_->LosePeer(to_p_, Unavailable("gone"));

  EXPECT_THAT(d_.said, ElementsAre("failed 7 peer_lost"));
  EXPECT_EQ(decode_->Stats().quarantined, 1);
}

TEST_F(HandoffRedo, ARefusalOfTheSecondAttemptFailsIt) {
  p_.refusal = ResourceExhausted("full");
  PrefillAndDamage(1);
  Pump();

  EXPECT_THAT(d_.said, ElementsAre("failed 7 refused", "released 7"));
  EXPECT_EQ(d_.last_status.code(), StatusCode::kResourceExhausted);
}

TEST_F(HandoffRedo, TheSecondAttemptHasALeaseOfItsOwn) {
  Advance(decode_options_.lease / 2);
  PrefillAndDamage(1);
  Pump();
  d_tap_.deaf = true;
  Advance(decode_options_.lease - std::chrono::milliseconds(1));
  EXPECT_THAT(d_.said, IsEmpty());
  Advance(std::chrono::milliseconds(1));

  EXPECT_THAT(d_.said, ElementsAre("failed 7 lease_expired"));
}

TEST_F(HandoffRedo, WithoutChecksumsDamageGoesUnnoticed) {
  decode_options_.checksums = false;
  network_.Kill("d");
  network_.Kill("p");
  Start();
  ASSERT_TRUE(Offer(8, kPrompt, BlockRange(3, 3)).ok());
  PrefillAndDamage(2);
  Pump();

  EXPECT_THAT(d_.said, ElementsAre("committed 8"));
}

}  // namespace
}  // namespace baton::handoff
