#include <gmock/gmock.h>

#include "baton/base/random.h"
#include "pair.h"
#include "wire.h"

/// What is not a sound message of this hand-off, from this peer, over this connection, changes
/// nothing and is counted.
namespace baton::handoff {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class HandoffMessages : public HandoffPair {
 protected:
  /// An offer under way whose commit was kept back.
  std::string KeptCommit() {
    EXPECT_TRUE(Offer(7, 8, BlockRange(0, 2)).ok());
    d_tap_.deaf = true;
    PrefillAll(1, 8, BlockRange(10, 2));
    d_tap_.deaf = false;
    return d_tap_.seen.back();
  }
};

TEST_F(HandoffMessages, ATruncatedMessageIsNoMessage) {
  const std::string commit = KeptCommit();
  for (size_t bytes = 0; bytes < commit.size(); ++bytes) GiveToDecode(commit.substr(0, bytes));

  EXPECT_THAT(d_.said, IsEmpty());
  EXPECT_EQ(decode_->Stats().ignored[Ignored::kMalformed], static_cast<int64_t>(commit.size()));
  GiveToDecode(commit);
  EXPECT_THAT(d_.said, ElementsAre("committed 7"));
}

TEST_F(HandoffMessages, AnOverlongMessageIsNoMessage) {
  const std::string commit = KeptCommit();
  GiveToDecode(commit + '\0');
  GiveToDecode(commit + commit);
  GiveToDecode(commit + std::string(transport::Transport::kMaxMessageBytes, 'x'));

  EXPECT_THAT(d_.said, IsEmpty());
  EXPECT_EQ(decode_->Stats().ignored[Ignored::kMalformed], 3);
}

TEST_F(HandoffMessages, NoFlippedBitGoesUnnoticed) {
  const std::string commit = KeptCommit();
  for (size_t bit = 0; bit < commit.size() * 8; ++bit) {
    std::string damaged = commit;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    GiveToDecode(damaged);
  }
  EXPECT_THAT(d_.said, IsEmpty());
  const IgnoredCounts ignored = decode_->Stats().ignored;
  EXPECT_EQ(ignored[Ignored::kMalformed] + ignored[Ignored::kVersion],
            static_cast<int64_t>(commit.size() * 8));
}

TEST_F(HandoffMessages, AnotherProtocolVersionIsCountedAsSuch) {
  std::string commit = KeptCommit();
  commit[2] = kProtocolVersion + 1;
  GiveToDecode(commit);

  EXPECT_THAT(d_.said, IsEmpty());
  EXPECT_EQ(decode_->Stats().ignored[Ignored::kVersion], 1);
}

TEST_F(HandoffMessages, AMessageOfAnEarlierIncarnationIsNotApplied) {
  const std::string commit = KeptCommit();
  decode_->LosePeer(to_p_, Unavailable("restarted"));
  const WorkerDescription restarted = Describe("p", 3000);
  const transport::PeerId again{50};
  ASSERT_TRUE(decode_->AddPeer(again, {restarted, kConnection}).ok());
  decode_->OnMessage(again, std::as_bytes(std::span(commit)));

  EXPECT_EQ(decode_->Stats().ignored[Ignored::kWrongEpoch], 1);
  EXPECT_EQ(decode_->Stats().committed, 0);
}

TEST_F(HandoffMessages, AMessageOfAnEarlierConnectionIsNotApplied) {
  ASSERT_TRUE(Offer(7, 8, BlockRange(0, 2)).ok());
  const std::string offer = p_tap_.seen.back();
  prefill_->LosePeer(to_d_, Unavailable("stream ended"));
  const transport::PeerId again{50};
  ASSERT_TRUE(prefill_->AddPeer(again, {d_worker_, kConnection + 1}).ok());
  prefill_->OnMessage(again, std::as_bytes(std::span(offer)));

  EXPECT_EQ(prefill_->Stats().ignored[Ignored::kWrongEpoch], 1);
  EXPECT_EQ(p_.offered.size(), 1u);
}

TEST_F(HandoffMessages, ATextThatIsCutWithinACharacterArrives) {
  ASSERT_TRUE(Offer(7, 8, BlockRange(0, 2)).ok());
  std::string text = "x";
  while (text.size() < 5000) text += "\u00e4";
  prefill_->Failed(SequenceId{1}, Internal(text));
  Pump();

  EXPECT_THAT(d_.said, ElementsAre("failed 7 prefill", "released 7"));
  EXPECT_EQ(d_.last_status.message(), text.substr(0, 4096));
}

TEST_F(HandoffMessages, AStrangersMessageIsNotApplied) {
  const std::string commit = KeptCommit();
  decode_->OnMessage(transport::PeerId{99}, std::as_bytes(std::span(commit)));
  EXPECT_THAT(d_.said, IsEmpty());
  EXPECT_EQ(decode_->Stats().ignored[Ignored::kUnknownPeer], 1);
}

TEST_F(HandoffMessages, ASecondOfferOfTheSameHandoffIsNotApplied) {
  ASSERT_TRUE(Offer(7, 8, BlockRange(0, 2)).ok());
  const std::string offer = p_tap_.seen.back();
  GiveToPrefill(offer);
  PrefillAll(1, 8, BlockRange(10, 2));
  GiveToPrefill(offer);

  EXPECT_THAT(p_.said, ElementsAre("offer 1", "finished 1"));
  EXPECT_EQ(prefill_->Stats().ignored[Ignored::kDuplicate], 2);
}

TEST_F(HandoffMessages, ACommitOfOtherSizeFailsTheHandoff) {
  ASSERT_TRUE(Offer(7, 8, BlockRange(0, 2)).ok());
  prefill_->Blocks(SequenceId{1}, BlockRange(10, 2), 0);
  prefill_->Prefilled(SequenceId{1}, {.token = 1, .position = 7});
  Pump();

  EXPECT_THAT(d_.said, ElementsAre("failed 7 bad_commit", "released 7"));
}

/// Times are added up for the figures of a request.
TEST_F(HandoffMessages, AbsurdTimesInACommitAreCut) {
  const std::string kept = KeptCommit();
  Message commit = std::get<Message>(Decode(std::as_bytes(std::span(kept))));
  constexpr Duration kEndless = Duration::max();
  std::get<Commit>(commit.body).stages = {
      .queued = kEndless, .prefill = kEndless, .transfer = kEndless};
  GiveToDecode(Encode(commit));

  EXPECT_THAT(d_.said, ElementsAre("committed 7"));
  EXPECT_LE(d_.commit.stages.queued, std::chrono::hours(24));
  EXPECT_LE(d_.commit.stages.prefill, std::chrono::hours(24));
  EXPECT_LE(d_.commit.stages.transfer, std::chrono::hours(24));
}

TEST_F(HandoffMessages, MessagesForTheOtherSideAreOutOfOrder) {
  const std::string commit = KeptCommit();
  GiveToPrefill(commit);
  EXPECT_EQ(prefill_->Stats().ignored[Ignored::kWrongEpoch], 1);  // Its receiver is another.
  EXPECT_EQ(SideOf(std::as_bytes(std::span(commit))), Side::kDecode);
  EXPECT_EQ(SideOf(std::as_bytes(std::span(p_tap_.seen.back()))), Side::kPrefill);
  EXPECT_EQ(SideOf({}), Side::kNone);
}

TEST_F(HandoffMessages, AnAbortOfTheDecodeSidesKindDoesNotAbortIt) {
  ASSERT_TRUE(Offer(7, 8, BlockRange(0, 2)).ok());
  GiveToDecode(Encode({{p_worker_.epoch, d_worker_.epoch, kConnection, HandoffId{1}},
                       Abort{.by_prefill = false, .status = Cancelled("not mine to say")}}));

  EXPECT_THAT(d_.said, IsEmpty());
  EXPECT_EQ(decode_->Stats().ignored[Ignored::kOutOfOrder], 1);
  EXPECT_EQ(decode_->Stats().offered, 1);
}

TEST_F(HandoffMessages, RandomBytesChangeNothing) {
  baton::Random random(5);
  for (int i = 0; i < 20000; ++i) {
    std::string bytes(random.Below(64), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.Next());
    if (bytes.size() > 4 && i % 2 == 0) {
      bytes[0] = 'B', bytes[1] = 'H', bytes[2] = 1, bytes[3] = static_cast<char>(random.Below(9));
    }
    GiveToDecode(bytes);
    GiveToPrefill(bytes);
  }
  EXPECT_THAT(d_.said, IsEmpty());
  EXPECT_THAT(p_.said, IsEmpty());
}

}  // namespace
}  // namespace baton::handoff
