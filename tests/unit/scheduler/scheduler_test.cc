#include "baton/scheduler/scheduler.h"

#include <deque>
#include <numeric>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/base/random.h"
#include "baton/base/units.h"

namespace baton::scheduler {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int32_t kBlockTokens = 4;

class SchedulerTest : public testing::Test {
 protected:
  void Make(SchedulerOptions options, int32_t blocks) {
    options.block_tokens = kBlockTokens;
    if (options.context_tokens == 0) options.context_tokens = 1000;
    pool_.emplace(blocks);
    scheduler_.emplace(options, *pool_);
  }
  Sequence& New(int32_t tokens, int32_t max_tokens = 100) {
    Sequence& sequence = sequences_.emplace_back();
    sequence.id = SequenceId{sequences_.size()};
    sequence.tokens.resize(static_cast<size_t>(tokens));
    // Distinct beginnings, so that no prefix is shared by accident.
    std::iota(sequence.tokens.begin(), sequence.tokens.end(), 1000 * TokenId(sequences_.size()));
    sequence.prompt_tokens = tokens;
    sequence.sampling.max_tokens = max_tokens;
    return sequence;
  }
  Sequence& Add(int32_t tokens, int32_t max_tokens = 100) {
    Sequence& sequence = New(tokens, max_tokens);
    EXPECT_TRUE(scheduler_->Add(sequence).ok());
    return sequence;
  }
  /// Runs a step: (id, count) of what took part. Each chunk that draws gets token 7.
  std::vector<std::pair<uint64_t, int32_t>> Step() {
    std::vector<std::pair<uint64_t, int32_t>> took;
    const StepPlan plan = scheduler_->Schedule();
    if (plan.batch.empty()) return took;
    scheduler_->Finished(plan);
    for (const Scheduled& scheduled : plan.batch) {
      took.emplace_back(Index(scheduled.sequence->id), scheduled.count);
      scheduler_->Advance(scheduled);
      if (scheduled.draws) scheduled.sequence->tokens.push_back(7);
    }
    return took;
  }

  std::optional<kv::BlockPool> pool_;
  std::optional<Scheduler> scheduler_;
  std::deque<Sequence> sequences_;
};

using Took = std::vector<std::pair<uint64_t, int32_t>>;

TEST_F(SchedulerTest, PutsDecodesFirstAndFillsTheBudgetWithPrefillsInOrder) {
  Make({.step_tokens = 10, .running_sequences = 4}, 100);
  Add(3);
  EXPECT_EQ(Step(), (Took{{1, 3}}));
  Add(15);
  Add(6);
  EXPECT_EQ(Step(), (Took{{1, 1}, {2, 9}}));
  EXPECT_EQ(Step(), (Took{{1, 1}, {2, 6}, {3, 3}}));
  EXPECT_EQ(Step(), (Took{{1, 1}, {2, 1}, {3, 3}}));
  EXPECT_EQ(Step(), (Took{{1, 1}, {2, 1}, {3, 1}}));
}

TEST_F(SchedulerTest, AdmitsNoneBeyondTheRunningLimitNorPastAnother) {
  Make({.step_tokens = 64, .running_sequences = 2}, 10);
  Add(8);
  Add(40);  // Needs the whole pool.
  Add(4);
  EXPECT_EQ(Step(), (Took{{1, 8}}));
  EXPECT_EQ(Step(), (Took{{1, 1}}));
  EXPECT_EQ(scheduler_->waiting(), 2);
  scheduler_->Finish(sequences_[0]);
  EXPECT_EQ(Step(), (Took{{2, 40}}));
}

TEST_F(SchedulerTest, AdmitsByPriorityThenByArrival) {
  Make({.step_tokens = 64, .running_sequences = 1}, 10);
  for (const int32_t priority : {0, 5, -1, 0}) {
    Sequence& sequence = New(3, 1);
    sequence.priority = priority;
    ASSERT_TRUE(scheduler_->Add(sequence).ok());
  }
  std::vector<uint64_t> order;
  for (int i = 0; i < 4; ++i) {
    order.push_back(Step().at(0).first);
    scheduler_->Finish(sequences_.at(order.back() - 1));
  }
  EXPECT_THAT(order, ElementsAre(3, 1, 4, 2));
}

TEST_F(SchedulerTest, PreemptsTheLatestArrivedAndAdmitsItAgainFirst) {
  Make({.step_tokens = 64, .running_sequences = 4, .prefix_cache = false}, 5);
  Add(8);
  EXPECT_EQ(Step(), (Took{{1, 8}}));
  Sequence& late = Add(4);
  EXPECT_EQ(Step(), (Took{{1, 1}, {2, 4}}));  // Blocks: 3 and 1.
  EXPECT_EQ(Step(), (Took{{1, 1}, {2, 1}}));  // 3 and 2: full.
  EXPECT_EQ(Step(), (Took{{1, 1}, {2, 1}}));
  EXPECT_EQ(Step(), (Took{{1, 1}, {2, 1}}));
  EXPECT_EQ(Step(), (Took{{1, 1}}));
  EXPECT_EQ(scheduler_->preemptions(), 1);
  EXPECT_EQ(late.state, SequenceState::kWaiting);
  Add(4);
  EXPECT_EQ(Step(), (Took{{1, 1}})) << "the newcomer must not pass the preempted";
  scheduler_->Finish(sequences_[0]);
  EXPECT_EQ(Step(), (Took{{2, 8}, {3, 4}})) << "prompt and output are computed again";
  EXPECT_EQ(late.size(), 9);
}

TEST_F(SchedulerTest, NeverPreemptsASequenceWithAHandoff) {
  Make({.step_tokens = 64, .running_sequences = 4}, 5);
  Add(8);
  EXPECT_EQ(Step(), (Took{{1, 8}}));
  Sequence& prefill = New(4);
  prefill.prefill_only = true;
  ASSERT_TRUE(scheduler_->Add(prefill).ok());
  EXPECT_EQ(Step(), (Took{{1, 1}, {2, 4}}));
  scheduler_->Hold(prefill);
  for (int i = 0; i < 7; ++i) EXPECT_EQ(Step(), (Took{{1, 1}}));
  EXPECT_THAT(Step(), IsEmpty()) << "the decode gives way, since nothing else can";
  EXPECT_EQ(pool_->counts().used, 1);
  scheduler_->Release(prefill);
  EXPECT_EQ(Step(), (Took{{1, 1}})) << "its own blocks are cached still";
}

TEST_F(SchedulerTest, ReservesBlocksAndSchedulesOnlyAfterTheCommit) {
  Make({.step_tokens = 64, .running_sequences = 4}, 10);
  Sequence& sequence = New(9);
  sequence.remote_prefill = true;
  ASSERT_TRUE(scheduler_->Add(sequence).ok());
  EXPECT_THAT(scheduler_->Schedule().admitted, ElementsAre(&sequence));
  EXPECT_THAT(Step(), IsEmpty());
  EXPECT_EQ(pool_->counts().used, 3);
  scheduler_->Commit(sequence);
  sequence.tokens.push_back(5);
  EXPECT_EQ(Step(), (Took{{1, 1}}));
}

TEST_F(SchedulerTest, ReservesAlsoWhenTheBudgetIsSpent) {
  Make({.step_tokens = 8, .running_sequences = 4}, 100);
  Add(30);
  Sequence& sequence = New(9);
  sequence.remote_prefill = true;
  ASSERT_TRUE(scheduler_->Add(sequence).ok());
  EXPECT_EQ(Step(), (Took{{1, 8}}));
  EXPECT_EQ(sequence.state, SequenceState::kReserved);
}

TEST_F(SchedulerTest, ComputesTheLastTokenOfAPromptThatIsCachedWhole) {
  Make({.step_tokens = 64, .running_sequences = 4}, 10);
  Sequence& first = Add(8);
  Step();
  Sequence& second = New(8);
  second.tokens = {first.tokens.begin(), first.tokens.begin() + 8};
  ASSERT_TRUE(scheduler_->Add(second).ok());
  EXPECT_EQ(Step(), (Took{{1, 1}, {2, 4}}));
  EXPECT_EQ(second.cached_tokens, 4);
  EXPECT_EQ(second.blocks.blocks()[0], first.blocks.blocks()[0]);
}

TEST_F(SchedulerTest, ComputesAPromptThatSeveralHaveOnlyOnce) {
  Make({.step_tokens = 16, .running_sequences = 8}, 100);
  const std::vector<TokenId> prompt = Add(22).tokens;
  for (int i = 0; i < 2; ++i) {
    Sequence& same = New(22);
    same.tokens = prompt;
    EXPECT_TRUE(scheduler_->Add(same).ok());
  }
  EXPECT_EQ(Step(), (Took{{1, 16}}));
  EXPECT_EQ(Step(), (Took{{1, 6}}));
  EXPECT_EQ(Step(), (Took{{1, 1}, {2, 2}, {3, 2}}));
  EXPECT_EQ(scheduler_->prefix_hit_tokens(), 40);
}

TEST_F(SchedulerTest, AwaitsNoPrefixThatIsALesserPartOfAPrompt) {
  Make({.step_tokens = 64, .running_sequences = 8}, 100);
  const std::vector<TokenId> prompt = Add(8).tokens;
  Sequence& longer = New(24);
  std::copy(prompt.begin(), prompt.end(), longer.tokens.begin());
  EXPECT_TRUE(scheduler_->Add(longer).ok());
  EXPECT_EQ(Step(), (Took{{1, 8}, {2, 24}}));
}

TEST_F(SchedulerTest, AwaitsNoPrefixOfAnotherSalt) {
  Make({.step_tokens = 64, .running_sequences = 8}, 100);
  const std::vector<TokenId> prompt = Add(16).tokens;
  Sequence& other = New(16);
  other.tokens = prompt;
  other.cache_salt = 1;
  EXPECT_TRUE(scheduler_->Add(other).ok());
  EXPECT_EQ(Step(), (Took{{1, 16}, {2, 16}}));
}

TEST_F(SchedulerTest, SetsTheEndByMaxTokensContextAndPool) {
  Make({.step_tokens = 64, .running_sequences = 4, .context_tokens = 30}, 10);
  EXPECT_EQ(Add(10, 5).max_total_tokens, 15);
  EXPECT_EQ(Add(10, 50).max_total_tokens, 30);
  Sequence& resumed = New(10, 5);
  resumed.emitted_tokens = 4;
  ASSERT_TRUE(scheduler_->Add(resumed).ok());
  EXPECT_EQ(resumed.max_total_tokens, 11);
  Make({.step_tokens = 64, .running_sequences = 4}, 5);
  EXPECT_EQ(Add(10, 50).max_total_tokens, 21);
}

TEST_F(SchedulerTest, RefusesWhatCanNeverRunAndWhatIsTooMuchNow) {
  Make({.step_tokens = 64, .running_sequences = 4, .waiting_sequences = 1, .context_tokens = 30},
       5);
  EXPECT_THAT(scheduler_->Add(New(30)).message(), HasSubstr("30 tokens, the context holds 30"));
  EXPECT_THAT(scheduler_->Add(New(21)).message(), HasSubstr("6 KV blocks"));
  EXPECT_EQ(scheduler_->Add(New(21)).code(), StatusCode::kInvalidArgument);
  Sequence& spent = New(8, 3);
  spent.emitted_tokens = 3;
  EXPECT_EQ(scheduler_->Add(spent).code(), StatusCode::kInvalidArgument);
  Add(8);
  EXPECT_EQ(scheduler_->Add(New(8)).code(), StatusCode::kResourceExhausted);
}

/// A plan as it stays when the next one is made.
StepPlan Begin(Scheduler& scheduler) { return scheduler.Schedule(); }

TEST_F(SchedulerTest, PlansADecodeWhoseTokenIsBeingDrawn) {
  Make({.step_tokens = 64, .running_sequences = 4}, 10);
  Add(5);
  Add(3);
  const StepPlan first = Begin(*scheduler_);
  EXPECT_EQ(first.draws, 2);
  const StepPlan second = Begin(*scheduler_);
  ASSERT_EQ(second.batch.size(), 2);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(second.batch[i].begin, sequences_[i].size());
    EXPECT_EQ(second.batch[i].count, 1);
    EXPECT_TRUE(second.batch[i].draws);
    EXPECT_EQ(second.batch[i].drawn_before, static_cast<int32_t>(i));
  }
  EXPECT_EQ(second.prefill_tokens, 0);
  EXPECT_EQ(sequences_[0].computed, 0) << "nothing has been computed yet";
}

TEST_F(SchedulerTest, PlansThePromptOnWhileItsLastChunkComputes) {
  Make({.step_tokens = 8, .running_sequences = 4}, 10);
  Add(12);
  (void)Begin(*scheduler_);
  const StepPlan second = Begin(*scheduler_);
  ASSERT_EQ(second.batch.size(), 1);
  EXPECT_EQ(second.batch[0].begin, 8);
  EXPECT_EQ(second.batch[0].count, 4);
  EXPECT_EQ(second.batch[0].drawn_before, -1);
}

TEST_F(SchedulerTest, PlansNothingOfASequenceThatEndsWithTheStepUnderWay) {
  Make({.step_tokens = 64, .running_sequences = 4}, 10);
  Add(5, 1);
  New(5).prefill_only = true;
  ASSERT_TRUE(scheduler_->Add(sequences_.back()).ok());
  New(5).prompt_logprobs = std::make_shared<PromptLogprobs>();
  ASSERT_TRUE(scheduler_->Add(sequences_.back()).ok());
  EXPECT_EQ(Begin(*scheduler_).batch.size(), 3);
  EXPECT_THAT(Begin(*scheduler_).batch, IsEmpty());
}

TEST_F(SchedulerTest, PreemptsNobodyWhileAStepIsUnderWay) {
  Make({.step_tokens = 64, .running_sequences = 4, .prefix_cache = false}, 3);
  Add(3);
  EXPECT_EQ(Step(), (Took{{1, 3}}));
  Add(3);
  EXPECT_EQ(Step(), (Took{{1, 1}, {2, 3}}));
  const StepPlan first = Begin(*scheduler_);  // The first one takes the last block.
  EXPECT_EQ(first.batch.size(), 2);
  EXPECT_THAT(Begin(*scheduler_).batch, IsEmpty());
  EXPECT_EQ(scheduler_->preemptions(), 0);
  scheduler_->Finished(first);
  for (const Scheduled& scheduled : first.batch) {
    scheduler_->Advance(scheduled);
    scheduled.sequence->tokens.push_back(7);
  }
  EXPECT_EQ(Step(), (Took{{1, 1}}));
  EXPECT_EQ(scheduler_->preemptions(), 1);
}

/// Sequences of all kinds through a tiny pool; hand-offs end after a while. With every second seed
/// a step is planned before the one before is finished.
class RandomLoad {
 public:
  explicit RandomLoad(uint64_t seed)
      : random_(seed),
        blocks_(3 + Below(12)),
        pool_(blocks_),
        options_({.step_tokens = 4 + Below(20),
                  .running_sequences = 1 + Below(4),
                  .waiting_sequences = 100,
                  .context_tokens = 200,
                  .block_tokens = kBlockTokens,
                  .prefix_cache = Below(2) == 0}),
        scheduler_(options_, pool_),
        overlaps_(seed % 2 == 1) {
    for (int i = 0; i < 30; ++i) AddOne();
  }

  /// False once all have ended.
  bool Step() {
    const StepPlan& plan = scheduler_.Schedule();
    CheckPlan(plan);
    for (Sequence* sequence : plan.admitted) {
      if (sequence->state == SequenceState::kReserved) moving_.push_back(sequence);
    }
    const bool begun = !plan.batch.empty();
    const bool waited = !under_way_.empty();
    if (begun) under_way_.push_back(plan);
    if (waited || (begun && !overlaps_)) FinishStep();
    const bool moved = !moving_.empty() && (!begun || Below(4) == 0);
    if (moved) EndHandoff();
    EXPECT_TRUE(moved || begun || waited || ended_ == sequences_.size()) << "stuck";
    return moved || begun || waited;
  }

  void CheckEnd() const {
    EXPECT_EQ(ended_, sequences_.size());
    EXPECT_TRUE(scheduler_.idle());
    EXPECT_EQ(pool_.counts().used, 0);
    EXPECT_EQ(pool_.counts().quarantined, 0);
    EXPECT_EQ(pool_.available(), blocks_);
  }

 private:
  int32_t Below(int32_t bound) {
    return static_cast<int32_t>(random_.Below(static_cast<uint64_t>(bound)));
  }

  void AddOne() {
    Sequence& sequence = sequences_.emplace_back();
    sequence.id = SequenceId{sequences_.size()};
    sequence.prompt_tokens = 1 + Below(blocks_ * kBlockTokens);
    for (int i = 0; i < sequence.prompt_tokens; ++i) sequence.tokens.push_back(Below(12) == 0);
    sequence.sampling.max_tokens = 1 + Below(30);
    const int32_t kind = Below(4);
    sequence.prefill_only = kind == 1;
    sequence.remote_prefill = kind == 2;
    EXPECT_TRUE(scheduler_.Add(sequence).ok());
  }

  void CheckPlan(const StepPlan& plan) {
    int32_t tokens = 0;
    std::set<Sequence*> seen;
    for (const Scheduled& scheduled : plan.batch) {
      const Sequence& sequence = *scheduled.sequence;
      EXPECT_TRUE(seen.insert(scheduled.sequence).second);
      EXPECT_EQ(sequence.state, SequenceState::kRunning);
      EXPECT_GT(scheduled.count, 0);
      EXPECT_GE(sequence.blocks.size() * kBlockTokens, scheduled.begin + scheduled.count);
      tokens += scheduled.count;
    }
    EXPECT_EQ(tokens, plan.tokens);
    EXPECT_LE(tokens, options_.step_tokens);
    EXPECT_LE(static_cast<int32_t>(plan.batch.size()), options_.running_sequences);
  }

  void FinishStep() {
    const StepPlan plan = std::move(under_way_.front());
    under_way_.pop_front();
    scheduler_.Finished(plan);
    for (const Scheduled& scheduled : plan.batch) {
      if (!scheduled.runs()) continue;
      scheduler_.Advance(scheduled);
      if (scheduled.draws) Draw(*scheduled.sequence);
    }
    std::erase_if(ending_, [&](Sequence* sequence) {
      if (sequence->under_way > 0) return false;
      scheduler_.Release(*sequence);
      return true;
    });
  }

  void Draw(Sequence& sequence) {
    sequence.tokens.push_back(Below(2));
    EXPECT_LE(sequence.size(), sequence.max_total_tokens);
    if (sequence.prefill_only) {
      scheduler_.Hold(sequence);
      moving_.push_back(&sequence);
    } else if (sequence.size() == sequence.max_total_tokens || Below(20) == 0) {
      if (sequence.under_way > 0) {
        scheduler_.Hold(sequence);
        ending_.push_back(&sequence);
      } else {
        scheduler_.Finish(sequence);
      }
      ++ended_;
    }
  }

  void EndHandoff() {
    const size_t i = random_.Below(moving_.size());
    Sequence& sequence = *moving_[i];
    if (sequence.state == SequenceState::kReserved && Below(3) > 0) {
      moving_.erase(moving_.begin() + static_cast<ptrdiff_t>(i));
      scheduler_.Commit(sequence);
      return Draw(sequence);
    }
    if (sequence.state == SequenceState::kReserved) return scheduler_.Quarantine(sequence);
    moving_.erase(moving_.begin() + static_cast<ptrdiff_t>(i));
    scheduler_.Release(sequence);
    ++ended_;
  }

  Random random_;
  const int32_t blocks_;
  kv::BlockPool pool_;
  const SchedulerOptions options_;
  Scheduler scheduler_;
  const bool overlaps_;
  std::deque<StepPlan> under_way_;
  std::deque<Sequence> sequences_;
  std::vector<Sequence*> moving_;
  std::vector<Sequence*> ending_;  ///< But for a step under way.
  size_t ended_ = 0;
};

TEST(SchedulerProgress, EverySequenceEndsInATinyPool) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    RandomLoad load(seed);
    int steps = 0;
    while (load.Step() && ++steps < 50'000) {
    }
    ASSERT_LT(steps, 50'000);
    ASSERT_NO_FATAL_FAILURE(load.CheckEnd());
    ASSERT_FALSE(testing::Test::HasFailure());
  }
}

}  // namespace
}  // namespace baton::scheduler
