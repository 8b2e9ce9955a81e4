#include <gmock/gmock.h>

#include "pair.h"

/// A traced request's commit says what the prefill side did when.
namespace baton::handoff {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

class HandoffTrace : public HandoffPair {
 protected:
  void OfferTraced(bool traced) {
    Request request = MakeRequest(10);
    request.trace = traced;
    ASSERT_TRUE(decode_->Offer(to_p_, request, {SequenceId{7}, BlockRange(0, 3), 0}).ok());
    Pump();
  }
  /// "stages/queued 0-10" with times in milliseconds since the test began.
  std::vector<std::string> Spans() const {
    std::vector<std::string> spans;
    if (!d_.commit.trace) return spans;
    const auto ms = [&](TimePoint time) {
      return std::to_string((time - began_).count() / 1000000);
    };
    for (const telemetry::Span& span : d_.commit.trace->spans) {
      spans.push_back(span.row + "/" + span.name + " " + ms(span.begin) + "-" + ms(span.end));
    }
    return spans;
  }

  const TimePoint began_ = clock_.Now();
};

TEST_F(HandoffTrace, TellsStagesChunksAndTransfers) {
  OfferTraced(true);
  clock_.Advance(milliseconds(10));
  prefill_->Blocks(SequenceId{1}, BlockRange(20, 3), 0);
  clock_.Advance(milliseconds(20));
  const TimePoint now = clock_.Now();
  prefill_->KvReady(SequenceId{1}, 0, 4, 8, {{now - milliseconds(15), now - milliseconds(2)}});
  clock_.Advance(milliseconds(5));
  p_transport_->Progress();
  prefill_->Prefilled(SequenceId{1}, {.token = 5, .position = 10}, clock_.Now() - milliseconds(1));
  clock_.Advance(milliseconds(3));
  Pump();

  EXPECT_THAT(d_.said, ElementsAre("committed 7"));
  EXPECT_THAT(Spans(),
              ElementsAre("stages/queued 0-10", "engine/chunk 15-28", "transfers/put 30-35",
                          "stages/prefill 10-34", "transfers/put 35-38", "stages/flush 34-38"));
  EXPECT_EQ(d_.commit.trace->process, "p");
  EXPECT_EQ(d_.commit.stages.prefill, milliseconds(24));
  EXPECT_EQ(d_.commit.stages.transfer, milliseconds(4));
}

TEST_F(HandoffTrace, SaysHowMuchATransferMoved) {
  OfferTraced(true);
  PrefillAll(1, 10, {BlockId{20}, BlockId{21}, BlockId{30}});

  ASSERT_TRUE(d_.commit.trace);
  const auto put = std::find_if(d_.commit.trace->spans.begin(), d_.commit.trace->spans.end(),
                                [](const telemetry::Span& span) { return span.name == "put"; });
  ASSERT_NE(put, d_.commit.trace->spans.end());
  ASSERT_EQ(put->args.size(), 2u);
  EXPECT_EQ(put->args[0].value, 3 * SmallGeometry().block_bytes());
  EXPECT_EQ(put->args[1].value, 2);
}

TEST_F(HandoffTrace, IsNotMadeUnlessAskedFor) {
  OfferTraced(false);
  PrefillAll(1, 10, BlockRange(20, 3));

  EXPECT_THAT(d_.said, ElementsAre("committed 7"));
  EXPECT_FALSE(d_.commit.trace);
}

TEST_F(HandoffTrace, OfASecondAttemptIsOfThatAlone) {
  decode_options_.checksums = true;
  network_.Kill("d");
  network_.Kill("p");
  Start();
  OfferTraced(true);
  prefill_->Blocks(SequenceId{1}, BlockRange(20, 3), 0);
  prefill_->Prefilled(SequenceId{1}, {.token = 5, .position = 10});
  p_transport_->Progress();
  d_region_.data[3] ^= std::byte{1};
  Pump();
  clock_.Advance(milliseconds(50));
  PrefillAll(2, 10, BlockRange(20, 3));

  EXPECT_THAT(Spans(), testing::Contains("stages/queued 0-50"));
  EXPECT_EQ(d_.commit.redone, 1);
}

}  // namespace
}  // namespace baton::handoff
