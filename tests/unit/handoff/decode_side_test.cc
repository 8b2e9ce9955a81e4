#include <gmock/gmock.h>

#include "pair.h"

namespace baton::handoff {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

class DecodeSideTest : public HandoffPair {};

TEST_F(DecodeSideTest, CommitsAWholePromptIntoTheOfferedBlocks) {
  ASSERT_TRUE(Offer(7, 10, {BlockId{3}, BlockId{9}, BlockId{4}}).ok());
  PrefillAll(1, 10, BlockRange(20, 3));

  EXPECT_THAT(d_.said, ElementsAre("committed 7"));
  EXPECT_THAT(p_.said, ElementsAre("offer 1", "finished 1"));
  EXPECT_EQ(d_.first.token, 42);
  EXPECT_EQ(d_.first.position, 10);
  EXPECT_TRUE(BlockArrived(BlockId{20}, BlockId{3}));
  EXPECT_TRUE(BlockArrived(BlockId{21}, BlockId{9}));
  EXPECT_TRUE(BlockArrived(BlockId{22}, BlockId{4}));
  EXPECT_TRUE(BlockUntouched(BlockId{5}));
}

TEST_F(DecodeSideTest, LeavesBlocksAloneThatItHasAlready) {
  ASSERT_TRUE(Offer(7, 11, BlockRange(3, 3), 8).ok());
  PrefillAll(1, 11, BlockRange(20, 3));

  EXPECT_THAT(d_.said, ElementsAre("committed 7"));
  EXPECT_TRUE(BlockUntouched(BlockId{3}));
  EXPECT_TRUE(BlockUntouched(BlockId{4}));
  EXPECT_TRUE(BlockArrived(BlockId{22}, BlockId{5}));
  EXPECT_EQ(d_.commit.transfer.blocks, 1);
}

TEST_F(DecodeSideTest, OffersEverythingThatGenerationDependsOn) {
  Request request = MakeRequest(5);
  request.emitted_tokens = 2;
  request.cache_salt = 0xFEDCBA9876543210;
  request.priority = -3;
  request.context = {.trace = {1, 2}, .span = SpanId(3), .sampled = true, .state = "a=1"};
  request.sampling = {.temperature = 0.7f,
                      .top_k = 5,
                      .top_p = 0.9f,
                      .min_p = 0.1f,
                      .repetition_penalty = 1.1f,
                      .frequency_penalty = -0.5f,
                      .presence_penalty = 0.25f,
                      .seed = ~uint64_t{0},
                      .max_tokens = 99,
                      .min_tokens = 3,
                      .ignore_eos = true,
                      .stop_token_ids = {7, 8},
                      .logit_bias = {{3, -100}, {8, 0.5f}},
                      .logprobs = 4};
  request.grammar = "root ::= [a-z]+";
  ASSERT_TRUE(decode_->Offer(to_p_, request, {SequenceId{1}, BlockRange(0, 2), 0}).ok());
  Pump();

  ASSERT_EQ(p_.offered.size(), 1u);
  const Request& got = p_.offered[0];
  EXPECT_EQ(got.id, request.id);
  EXPECT_EQ(got.prompt, request.prompt);
  EXPECT_EQ(got.emitted_tokens, 2);
  EXPECT_EQ(got.cache_salt, request.cache_salt);
  EXPECT_EQ(got.priority, request.priority);
  EXPECT_EQ(got.context, request.context);
  EXPECT_EQ(got.sampling, request.sampling);
  EXPECT_EQ(got.grammar, request.grammar);
}

TEST_F(DecodeSideTest, CarriesLogprobsOfTheFirstToken) {
  ASSERT_TRUE(Offer(7, 4, BlockRange(0, 1)).ok());
  prefill_->Blocks(SequenceId{1}, BlockRange(0, 1), 0);
  TokenOutput first{.token = 5,
                    .position = 4,
                    .finish = FinishReason::kLength,
                    .logprob = -0.5f,
                    .top_logprobs = {{5, -0.5f}, {6, -1.5f}},
                    .cached_tokens = 3};
  prefill_->Prefilled(SequenceId{1}, first);
  Pump();

  EXPECT_EQ(d_.first.finish, FinishReason::kLength);
  EXPECT_EQ(d_.first.logprob, -0.5f);
  ASSERT_EQ(d_.first.top_logprobs.size(), 2u);
  EXPECT_EQ(d_.first.top_logprobs[1].token, 6);
  EXPECT_EQ(d_.first.cached_tokens, 3);
}

TEST_F(DecodeSideTest, ReportsWhereTheTimeWent) {
  ASSERT_TRUE(Offer(7, 4, BlockRange(0, 1)).ok());
  clock_.Advance(milliseconds(10));
  prefill_->Blocks(SequenceId{1}, BlockRange(0, 1), 0);
  clock_.Advance(milliseconds(200));
  prefill_->Prefilled(SequenceId{1}, {.token = 5, .position = 4});
  clock_.Advance(milliseconds(3));
  p_transport_->Progress();
  clock_.Advance(milliseconds(2));
  Pump();

  EXPECT_EQ(d_.commit.stages.queued, milliseconds(10));
  EXPECT_EQ(d_.commit.stages.prefill, milliseconds(200));
  EXPECT_EQ(d_.commit.stages.transfer, milliseconds(3));
  EXPECT_EQ(d_.commit.stages.commit, milliseconds(2));
  EXPECT_EQ(d_.commit.transfer.bytes, SmallGeometry().block_bytes());
}

TEST_F(DecodeSideTest, ARefusalFailsAndReleasesAtOnce) {
  p_.refusal = ResourceExhausted("full");
  ASSERT_TRUE(Offer(7, 4, BlockRange(0, 1)).ok());

  EXPECT_THAT(d_.said, ElementsAre("failed 7 refused", "released 7"));
  EXPECT_EQ(d_.last_status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(d_.last_status.message(), "full");
}

TEST_F(DecodeSideTest, ACancelledHandoffIsReleasedOnceThePeerAnswered) {
  ASSERT_TRUE(Offer(7, 4, BlockRange(0, 1)).ok());
  EXPECT_TRUE(decode_->Cancel(SequenceId{7}));
  EXPECT_THAT(d_.said, IsEmpty());
  Pump();

  EXPECT_THAT(d_.said, ElementsAre("released 7"));
  EXPECT_THAT(p_.said, ElementsAre("offer 1", "abort 1", "finished 1 cancelled"));
  EXPECT_FALSE(decode_->Cancel(SequenceId{7}));
}

TEST_F(DecodeSideTest, ACommitThatCrossesACancelIsNotApplied) {
  ASSERT_TRUE(Offer(7, 4, BlockRange(0, 1)).ok());
  prefill_->Blocks(SequenceId{1}, BlockRange(0, 1), 0);
  prefill_->Prefilled(SequenceId{1}, {.token = 5, .position = 4});
  p_transport_->Progress();  // The commit is on its way.
  decode_->Cancel(SequenceId{7});
  Pump();

  EXPECT_THAT(d_.said, ElementsAre("released 7"));
  EXPECT_THAT(p_.said, ElementsAre("offer 1", "finished 1"));
}

TEST_F(DecodeSideTest, TheLeaseEndsWithoutProgress) {
  ASSERT_TRUE(Offer(7, 4, BlockRange(0, 1)).ok());
  d_tap_.deaf = true;
  Advance(decode_options_.lease - milliseconds(1));
  EXPECT_THAT(d_.said, IsEmpty());
  Advance(milliseconds(1));

  EXPECT_THAT(d_.said, ElementsAre("failed 7 lease_expired"));
  d_tap_.deaf = false;
  Pump();
  EXPECT_EQ(decode_->Stats().aborting, 1);
}

TEST_F(DecodeSideTest, TheLeaseLastsWhileThePrefillSideIsAlive) {
  ASSERT_TRUE(Offer(7, 4, BlockRange(0, 1)).ok());
  for (int i = 0; i < 30; ++i) Advance(decode_options_.lease / 3);

  EXPECT_THAT(d_.said, IsEmpty());
  PrefillAll(1, 4, BlockRange(0, 1));
  EXPECT_THAT(d_.said, ElementsAre("committed 7"));
}

TEST_F(DecodeSideTest, ALostPeerQuarantinesUntilItsProcessHasEnded) {
  ASSERT_TRUE(Offer(7, 4, BlockRange(0, 1)).ok());
  decode_->LosePeer(to_p_, Unavailable("gone"));
  d_transport_->Disconnect(to_p_);
  Advance(seconds(1));
  EXPECT_THAT(d_.said, ElementsAre("failed 7 peer_lost"));
  EXPECT_EQ(decode_->Stats().quarantined, 1);

  network_.Kill("p");
  Advance(seconds(1));

  EXPECT_THAT(d_.said, ElementsAre("failed 7 peer_lost", "released 7"));
  EXPECT_EQ(decode_->Stats().released_without_proof, 0);
}

TEST_F(DecodeSideTest, AProcessThatIsThereHoldsTheQuarantineBeyondItsDeadline) {
  ASSERT_TRUE(Offer(7, 4, BlockRange(0, 1)).ok());
  decode_->LosePeer(to_p_, Unavailable("silent"));
  d_transport_->Disconnect(to_p_);
  for (int i = 0; i < 10; ++i) Advance(decode_options_.quarantine);

  EXPECT_THAT(d_.said, ElementsAre("failed 7 peer_lost"));
  EXPECT_EQ(decode_->Stats().released_without_proof, 0);
}

TEST_F(DecodeSideTest, APeerThatJoinsAgainEndsItsQuarantines) {
  ASSERT_TRUE(Offer(7, 4, BlockRange(0, 1)).ok());
  decode_->LosePeer(to_p_, Unavailable("silent"));
  d_transport_->Disconnect(to_p_);
  prefill_->LosePeer(to_d_, Unavailable("silent"));
  p_transport_->Disconnect(to_d_);
  Advance(seconds(1));
  ASSERT_EQ(decode_->Stats().quarantined, 1);
  const auto again = *d_transport_->Connect(*p_transport_->Address());
  ASSERT_TRUE(decode_->AddPeer(again, {p_worker_, kConnection + 1}).ok());

  EXPECT_THAT(d_.said, ElementsAre("failed 7 peer_lost", "released 7"));
}

TEST_F(DecodeSideTest, AnotherEpochSaysNothingOfTheOnesBefore) {
  ASSERT_TRUE(Offer(7, 4, BlockRange(0, 1)).ok());
  decode_->LosePeer(to_p_, Unavailable("silent"));
  d_transport_->Disconnect(to_p_);
  const auto again = *d_transport_->Connect(*p_transport_->Address());
  ASSERT_TRUE(decode_->AddPeer(again, {Describe("p", 3000), kConnection + 1}).ok());
  Advance(seconds(1));

  EXPECT_THAT(d_.said, ElementsAre("failed 7 peer_lost"));
}

TEST_F(DecodeSideTest, TellsHowManyBlocksAreQuarantinedAndWhy) {
  ASSERT_TRUE(Offer(7, 10, BlockRange(0, 3)).ok());
  ASSERT_TRUE(Offer(8, 4, BlockRange(3, 1)).ok());
  p_tap_.deaf = true;
  decode_->Cancel(SequenceId{7});
  Advance(seconds(2));
  const auto blocks = [this](Failure reason) {
    return decode_->Stats().quarantined_blocks[static_cast<size_t>(reason)];
  };
  EXPECT_EQ(blocks(Failure::kCancelled), 3);
  EXPECT_EQ(decode_->Stats().oldest_quarantine, seconds(2));
  EXPECT_THAT(decode_->DebugString(), testing::HasSubstr("quarantined for 2 s by cancelled"));

  decode_->LosePeer(to_p_, Unavailable("gone"));
  EXPECT_EQ(blocks(Failure::kCancelled), 0);
  EXPECT_EQ(blocks(Failure::kPeerLost), 4);
  EXPECT_THAT(decode_->DebugString(), testing::HasSubstr("(p) quarantined, 3 blocks"));
}

TEST_F(DecodeSideTest, AQuarantineEndsByItsDeadlineAndIsCounted) {
  ASSERT_TRUE(Offer(7, 4, BlockRange(0, 1)).ok());
  network_.Sever("d", "p");
  decode_->LosePeer(to_p_, Unavailable("gone"));
  Advance(decode_options_.quarantine);

  EXPECT_THAT(d_.said, ElementsAre("failed 7 peer_lost", "released 7"));
  EXPECT_EQ(decode_->Stats().released_without_proof, 1);
}

TEST_F(DecodeSideTest, APeerThatLeavesAnAbortUnansweredIsStuck) {
  ASSERT_TRUE(Offer(7, 4, BlockRange(0, 1)).ok());
  p_tap_.deaf = true;
  decode_->Cancel(SequenceId{7});
  Advance(decode_options_.abort_deadline);

  EXPECT_THAT(d_.said, ElementsAre("peer stuck"));
  decode_->LosePeer(to_p_, Unavailable("stuck"));
  network_.Kill("p");
  Advance(seconds(1));
  EXPECT_THAT(d_.said, ElementsAre("peer stuck", "released 7"));
}

TEST_F(DecodeSideTest, ChecksumsPassWhatArrived) {
  decode_options_.checksums = true;
  network_.Kill("d");
  network_.Kill("p");
  Start();
  ASSERT_TRUE(Offer(7, 10, BlockRange(0, 3), 4).ok());
  PrefillAll(1, 10, BlockRange(9, 3));

  EXPECT_THAT(d_.said, ElementsAre("committed 7"));
}

TEST_F(DecodeSideTest, RefusesToOfferWhatDoesNotFit) {
  const auto offer = [&](int32_t prompt, std::vector<BlockId> blocks, int32_t cached) {
    return Offer(1, prompt, std::move(blocks), cached).code();
  };
  EXPECT_EQ(offer(10, BlockRange(0, 2), 0), StatusCode::kInvalidArgument);
  EXPECT_EQ(offer(10, BlockRange(0, 3), 3), StatusCode::kInvalidArgument);
  EXPECT_EQ(offer(8, BlockRange(0, 2), 8), StatusCode::kInvalidArgument);
  EXPECT_EQ(offer(4, {BlockId{kPoolBlocks}}, 0), StatusCode::kInvalidArgument);
  EXPECT_EQ(offer(4, {kNoBlock}, 0), StatusCode::kInvalidArgument);
  EXPECT_EQ(
      decode_->Offer(transport::PeerId{99}, MakeRequest(4), {SequenceId{1}, BlockRange(0, 1), 0})
          .code(),
      StatusCode::kUnavailable);
  EXPECT_THAT(p_.said, IsEmpty());
}

TEST_F(DecodeSideTest, AnIncompatiblePeerIsRefusedByTheFieldThatDiffers) {
  PeerDescription other{p_worker_, 1};
  other.worker.geometry.head_dim = 16;
  EXPECT_THAT(decode_->AddPeer(transport::PeerId{9}, other).message(),
              testing::HasSubstr("head_dim"));
  other = {p_worker_, 1};
  other.worker.fingerprint = "model-2";
  EXPECT_THAT(decode_->AddPeer(transport::PeerId{9}, other).message(),
              testing::AllOf(testing::HasSubstr("model-1"), testing::HasSubstr("model-2")));
  other = {p_worker_, 1};
  other.worker.protocol_version = kProtocolVersion + 1;
  EXPECT_EQ(decode_->AddPeer(transport::PeerId{9}, other).code(), StatusCode::kFailedPrecondition);
}

TEST_F(DecodeSideTest, DumpsWhatIsUnderWay) {
  ASSERT_TRUE(Offer(7, 4, BlockRange(0, 1)).ok());
  EXPECT_THAT(decode_->DebugString(), testing::HasSubstr("sequence 7"));
  EXPECT_THAT(prefill_->DebugString(), testing::HasSubstr("queued"));
}

}  // namespace
}  // namespace baton::handoff
