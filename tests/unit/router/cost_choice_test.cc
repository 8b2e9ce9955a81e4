#include "cost_choice.h"

#include <gtest/gtest.h>

namespace baton::router {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int32_t kStepTokens = 512;

/// 1 ms a step, 0.1 ms a prompt token, 1 ms a sequence that decodes.
cost::StepModel Steps(double slower = 1) {
  cost::StepModel model;
  const auto learn = [&](const cost::StepShape& shape) {
    const double ms = slower * (1 + 0.1 * static_cast<double>(shape.prefill_tokens) +
                                static_cast<double>(shape.decode_sequences));
    model.Learn({.shape = shape, .took = Duration(static_cast<int64_t>(ms * 1e6))});
  };
  for (int64_t i = 1; i <= 60; ++i) {
    learn({.prefill_tokens = 8 * i});
    learn({.decode_sequences = i % 9 + 1});
  }
  return model;
}

/// One prefill worker and one decode worker.
class CostChoice : public testing::Test {
 protected:
  CostChoice() {
    for (WorkerView* view : {&prefill_, &decode_}) {
      view->forecast = {.steps = &steps_, .step_tokens = kStepTokens};
    }
    for (int64_t bytes = 0; bytes < 100; ++bytes) transfer_["p0"].Learn(bytes, milliseconds(5));
    decode_.forecast.transfers = &transfer_;
  }
  Choice Choose(const Query& query) {
    auto choice = ChooseByCost({{.worker = &decode_, .prefills = {&prefill_}}}, query, nullptr);
    EXPECT_TRUE(choice);
    return choice.value_or(Choice{});
  }
  void DecodeSequences(int64_t count) { decode_.forecast.decoding.decode_sequences = count; }
  /// Prompt tokens that take so long.
  static int64_t QueuedFor(Duration time) { return time / std::chrono::microseconds(102); }
  void QueueAtPrefill(int64_t tokens) { prefill_.forecast.ahead.prefill_tokens = tokens; }

  const cost::StepModel steps_ = Steps();
  std::map<std::string, cost::TransferModel> transfer_;
  WorkerView prefill_{.name = "p0", .role = Role::kPrefill};
  WorkerView decode_{.name = "d0", .role = Role::kDecode, .joined_peers = {"p0"}};
};

TEST_F(CostChoice, KeepsAPromptWhereNobodyIsDelayed) {
  const Choice choice = Choose({.prompt_tokens = 2000, .output_tokens = 10});
  EXPECT_EQ(choice.worker, "d0");
  EXPECT_EQ(choice.prefill, "");
  EXPECT_EQ(choice.reason, "cheaper");
}

TEST_F(CostChoice, HandsALongPromptOverWhereOthersAreToBeExpectedMeanwhile) {
  const Query query{.prompt_tokens = 2000, .output_tokens = 10, .slo = {.tpot = milliseconds(5)}};
  EXPECT_EQ(Choose(query).prefill, "");
  Query often = query;
  often.arrivals_per_s = 2;
  EXPECT_EQ(Choose(often).prefill, "p0");
}

TEST_F(CostChoice, HandsOverNothingThatWouldDecodeBesideALongPrefill) {
  DecodeSequences(1);
  const Query query{.prompt_tokens = 200, .output_tokens = 10, .slo = {.tpot = milliseconds(5)}};
  EXPECT_EQ(Choose(query).prefill, "p0");
  decode_.forecast.ahead.prefill_tokens = 500;
  EXPECT_EQ(Choose(query).prefill, "");
}

TEST_F(CostChoice, HandsALongPromptOverWhereItWouldDelayManyOthers) {
  DecodeSequences(8);
  const Choice choice = Choose({.prompt_tokens = 2000, .output_tokens = 10});
  EXPECT_EQ(choice.prefill, "p0");
  EXPECT_EQ(choice.reason, "cheaper");
}

TEST_F(CostChoice, KeepsAShortPromptThatDelaysOthersLessThanAHandOverTakes) {
  DecodeSequences(2);
  EXPECT_EQ(Choose({.prompt_tokens = 5, .output_tokens = 10}).prefill, "");
}

TEST_F(CostChoice, KeepsALongPromptOfWhichLittleIsNotCached) {
  DecodeSequences(8);
  decode_.cached_tokens = 1996;
  EXPECT_EQ(Choose({.prompt_tokens = 2000, .output_tokens = 10}).prefill, "");
}

TEST_F(CostChoice, KeepsAPromptThatWouldWaitLongElsewhere) {
  DecodeSequences(8);
  QueueAtPrefill(30000);
  EXPECT_EQ(Choose({.prompt_tokens = 2000, .output_tokens = 10}).prefill, "");
}

TEST_F(CostChoice, CountsWhatHandsOverTake) {
  DecodeSequences(2);
  EXPECT_EQ(Choose({.prompt_tokens = 200, .output_tokens = 10}).prefill, "p0");
  for (int64_t bytes = 0; bytes < 100; ++bytes) transfer_["p0"].Learn(bytes, milliseconds(500));
  EXPECT_EQ(Choose({.prompt_tokens = 200, .output_tokens = 10}).prefill, "");
}

TEST_F(CostChoice, KeepsAPromptThatASplitAloneWouldMakeLate) {
  DecodeSequences(8);
  QueueAtPrefill(2000);
  const Query query{.prompt_tokens = 1000, .output_tokens = 10};
  EXPECT_EQ(Choose(query).prefill, "p0");
  Query urgent = query;
  urgent.slo.ttft = milliseconds(200);
  const Choice choice = Choose(urgent);
  EXPECT_EQ(choice.prefill, "");
  EXPECT_EQ(choice.reason, "slo");
}

/// One first token that comes too late is one request lost, and many slow ones are many.
TEST_F(CostChoice, LetsAFirstTokenBeLateRatherThanManyOthersSlow) {
  DecodeSequences(8);
  QueueAtPrefill(2000);
  prefill_.full = true;
  const Query query{.prompt_tokens = 1000,
                    .output_tokens = 10,
                    .slo = {.ttft = milliseconds(200), .tpot = milliseconds(12)},
                    .wish = milliseconds(320)};
  EXPECT_EQ(Choose(query).prefill, "p0");
  EXPECT_EQ(Choose(query).reason, "cheaper");
  DecodeSequences(1);
  EXPECT_EQ(Choose(query).prefill, "");
}

/// What decodes there now has ended by then.
TEST_F(CostChoice, DoesNotCountAgainstAWorkerWhatWillHaveEnded) {
  const Query query{.prompt_tokens = 10, .output_tokens = 100, .slo = {.tpot = milliseconds(10)}};
  DecodeSequences(9);
  EXPECT_EQ(Choose(query).worker, "p0");
  decode_.forecast.ahead.prefill_tokens = QueuedFor(seconds(2));
  QueueAtPrefill(QueuedFor(seconds(2)));
  EXPECT_EQ(Choose(query).worker, "d0");
}

TEST_F(CostChoice, SplitsWhereOnlyThatHoldsTheSlo) {
  decode_.forecast.ahead.prefill_tokens = 2000;
  Query query{.prompt_tokens = 1000, .output_tokens = 10};
  query.slo.ttft = milliseconds(200);
  const Choice choice = Choose(query);
  EXPECT_EQ(choice.prefill, "p0");
  EXPECT_EQ(choice.reason, "slo");
}

TEST_F(CostChoice, LeavesDecodingWithThePrefillWorkerWhileDecodeIsFull) {
  DecodeSequences(8);
  decode_.forecast.free_tokens = 100;
  const Choice choice = Choose({.prompt_tokens = 1000, .output_tokens = 100});
  EXPECT_EQ(choice.worker, "p0");
  EXPECT_EQ(choice.prefill, "");
  EXPECT_EQ(choice.reason, "decode_full");
}

TEST_F(CostChoice, LeavesDecodingWithThePrefillWorkerWhereTheOtherRunsAllThatItCan) {
  decode_.full = true;
  const Choice choice = Choose({.prompt_tokens = 10, .output_tokens = 100});
  EXPECT_EQ(choice.worker, "p0");
  EXPECT_EQ(choice.reason, "decode_full");
}

TEST_F(CostChoice, LeavesDecodingWithThePrefillWorkerWhereTheOtherIsTooSlow) {
  const Query query{.prompt_tokens = 10, .output_tokens = 100, .slo = {.tpot = milliseconds(10)}};
  DecodeSequences(7);
  EXPECT_EQ(Choose(query).worker, "d0");
  DecodeSequences(9);
  const Choice choice = Choose(query);
  EXPECT_EQ(choice.worker, "p0");
  EXPECT_EQ(choice.prefill, "");
  EXPECT_EQ(choice.reason, "slo");
}

TEST_F(CostChoice, CountsThoseThatWillDecodeOncePrefilled) {
  const Query query{.prompt_tokens = 10, .output_tokens = 100, .slo = {.tpot = milliseconds(10)}};
  decode_.forecast.coming.decode_sequences = 9;
  EXPECT_EQ(Choose(query).worker, "p0");
}

TEST_F(CostChoice, DecodesNothingBesideThePrefillsThatComeToAPrefillWorker) {
  const Query query{.prompt_tokens = 10, .output_tokens = 100, .slo = {.tpot = milliseconds(10)}};
  DecodeSequences(9);
  prefill_.forecast.prefills_per_s = 5;
  prefill_.forecast.mean_prefill = milliseconds(300);
  EXPECT_EQ(Choose(query).worker, "d0");
}

TEST_F(CostChoice, SaysNothingWhereTooLittleIsKnown) {
  const cost::StepModel nothing;
  decode_.forecast.steps = &nothing;
  EXPECT_FALSE(ChooseByCost({{.worker = &decode_, .prefills = {&prefill_}}}, {}, nullptr));
}

/// Some mixed workers alike.
class CostOfMixed : public testing::Test {
 protected:
  CostOfMixed() {
    for (WorkerView& view : views_) view.forecast = {.steps = &steps_, .step_tokens = kStepTokens};
  }
  std::string Choose(const Query& query, const WorkerView* home = nullptr) {
    std::vector<Group> groups;
    for (const WorkerView& view : views_) groups.push_back({.worker = &view});
    return ChooseByCost(groups, query, home).value_or(Choice{}).worker;
  }

  cost::StepModel steps_ = Steps();
  std::vector<WorkerView> views_{{.name = "m0"}, {.name = "m1"}, {.name = "m2"}};
};

TEST_F(CostOfMixed, TakesTheShortestQueueByTimeNotByRequests) {
  views_[0].forecast.ahead.prefill_tokens = 4000;
  views_[1].forecast.ahead.prefill_tokens = 500;
  views_[2].forecast.ahead.prefill_tokens = 900;
  views_[1].load = 5;
  EXPECT_EQ(Choose({.prompt_tokens = 100}), "m1");
}

TEST_F(CostOfMixed, WeighsAHitAgainstTheQueueBeforeIt) {
  views_[1].cached_tokens = 960;
  views_[1].forecast.ahead.prefill_tokens = 400;
  EXPECT_EQ(Choose({.prompt_tokens = 1000}), "m1");
  views_[1].forecast.ahead.prefill_tokens = 4000;
  EXPECT_EQ(Choose({.prompt_tokens = 1000}), "m0");
}

TEST_F(CostOfMixed, TakesTheFasterOfTwoWithAsMuchToDo) {
  const cost::StepModel slow = Steps(3);
  views_[0].forecast.steps = views_[1].forecast.steps = &slow;
  EXPECT_EQ(Choose({.prompt_tokens = 100}), "m2");
}

TEST_F(CostOfMixed, SendsALongOutputWhereFewDecode) {
  views_[0].forecast.decoding.decode_sequences = 9;
  views_[1].forecast.decoding.decode_sequences = 3;
  views_[2].forecast.decoding.decode_sequences = 6;
  EXPECT_EQ(Choose({.prompt_tokens = 10, .output_tokens = 500}), "m1");
}

/// Or long prompts gather where few decode, and make those few slow.
TEST_F(CostOfMixed, AvoidsWhoeverPrefilledMuchOfLate) {
  views_[0].forecast.prefills_per_s = views_[2].forecast.prefills_per_s = 10;
  views_[0].forecast.mean_prefill = views_[2].forecast.mean_prefill = milliseconds(50);
  views_[1].forecast.decoding.decode_sequences = 1;
  EXPECT_EQ(Choose({.prompt_tokens = 100, .output_tokens = 100}), "m1");
}

TEST_F(CostOfMixed, KeepsASessionAtHomeWhileOthersAreNotMuchBetter) {
  views_[2].forecast.ahead.prefill_tokens = 100;
  EXPECT_EQ(Choose({.prompt_tokens = 1000, .output_tokens = 50}, &views_[2]), "m2");
  views_[2].forecast.ahead.prefill_tokens = 5000;
  EXPECT_EQ(Choose({.prompt_tokens = 1000, .output_tokens = 50}, &views_[2]), "m0");
}

TEST_F(CostOfMixed, GivesAPromptThatAlreadyRunsItsTimeOff) {
  views_[0].forecast.ahead.prefill_tokens = 2000;
  views_[0].forecast.at_it = milliseconds(190);
  views_[1].forecast.ahead = views_[2].forecast.ahead = {.prefill_tokens = 1000};
  EXPECT_EQ(Choose({.prompt_tokens = 100}), "m0");
}

}  // namespace
}  // namespace baton::router
