#include "retry_policy.h"

#include <gtest/gtest.h>

namespace baton::router {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimePoint kStart{seconds(10)};

Verdict JudgeOf(const Status& status) { return Judge({.status = status}); }

TEST(Judge, SendsToAnotherWorkerWhatIsNoFaultOfTheRequest) {
  for (const Status& status :
       {Unavailable("gone"), DeadlineExceeded("late"), ResourceExhausted("full"), Aborted("drains"),
        Cancelled("not by us"), DataLoss("damaged"), Internal("sick").WithBlast(Blast::kWorker),
        InvalidArgument("the peer says so").WithBlast(Blast::kPeer)}) {
    EXPECT_TRUE(JudgeOf(status).again) << status;
  }
}

TEST(Judge, TellsTheClientWhatIsItsOwnFault) {
  for (const Status& status : {InvalidArgument("bad"), FailedPrecondition("no"), Internal("bug")}) {
    EXPECT_FALSE(JudgeOf(status).again) << status;
    EXPECT_TRUE(JudgeOf(status).of_request) << status;
  }
}

TEST(Judge, DoubtsAWorkerThatFindsFaultWithWhatAnotherTook) {
  EXPECT_TRUE(Judge({.status = InvalidArgument("too long"), .in_order = true}).again);
}

TEST(Judge, NamesTheCause) {
  EXPECT_EQ(JudgeOf(Unavailable("gone")).cause, Cause::kLost);
  EXPECT_EQ(JudgeOf(Aborted("ends")).cause, Cause::kDrain);
  EXPECT_EQ(JudgeOf(ResourceExhausted("full")).cause, Cause::kFull);
  EXPECT_EQ(JudgeOf(Unavailable("p0").WithBlast(Blast::kPeer)).cause, Cause::kPeer);
  EXPECT_EQ(JudgeOf(Internal("sick").WithBlast(Blast::kWorker)).cause, Cause::kSick);
  EXPECT_EQ(Judge({.status = Cancelled("by us"), .given_up = Cause::kStuck}).cause, Cause::kStuck);
}

TEST(Judge, BlamesThePrefillWorkerForAHandOffThatFailed) {
  const Status peer = Unavailable("p0").WithBlast(Blast::kPeer);
  EXPECT_TRUE(Judge({.status = peer, .awaits_prefill = true}).blames_prefill);
  EXPECT_FALSE(Judge({.status = peer}).blames_prefill);
  EXPECT_FALSE(Judge({.status = Unavailable("d0"), .awaits_prefill = true}).blames_prefill);
}

TEST(RetryBudget, PausesLongerEachTimeButNotBeforeTheFirst) {
  RetryBudget budget({}, kStart);
  std::vector<Duration> pauses;
  for (int i = 0; i < 5; ++i) {
    budget.OnSent(kStart);
    budget.OnFailed(kStart, 0);
    pauses.push_back(*budget.Next() - kStart);
  }
  EXPECT_EQ(pauses, (std::vector<Duration>{milliseconds(0), milliseconds(10), milliseconds(20),
                                           milliseconds(40), milliseconds(80)}));
}

TEST(RetryBudget, EndsAfterSoManyAttemptsThatBringNextToNothing) {
  RetryBudget budget({.attempts = 3}, kStart);
  for (int i = 0; i < 2; ++i) {
    budget.OnFailed(kStart, 5);
    EXPECT_TRUE(budget.Next());
  }
  budget.OnFailed(kStart, 5);
  EXPECT_FALSE(budget.Next());
}

TEST(RetryBudget, TriesAnotherAtOnceWhereNothingMayBeWaitedFor) {
  RetryBudget budget({.wait = {}}, kStart);
  budget.OnSent(kStart);
  budget.OnFailed(kStart, 0);
  EXPECT_EQ(budget.Next(), kStart);
  EXPECT_FALSE(budget.NextLook(kStart));
}

TEST(RetryBudget, BeginsAnewWithARequestThatGetsAhead) {
  RetryBudget budget({.attempts = 3}, kStart);
  for (int i = 0; i < 10; ++i) {
    budget.OnFailed(kStart, 100);
    EXPECT_TRUE(budget.Next());
  }
}

TEST(RetryBudget, LooksForAWorkerUntilItHasWaitedLongEnoughInAll) {
  RetryBudget budget({.wait = seconds(2)}, kStart);
  EXPECT_TRUE(budget.NextLook(kStart + milliseconds(1900)));
  budget.OnSent(kStart + milliseconds(1900));
  // What an attempt takes is no waiting.
  budget.OnFailed(kStart + seconds(60), 0);
  EXPECT_TRUE(budget.NextLook(kStart + seconds(60) + milliseconds(50)));
  EXPECT_FALSE(budget.NextLook(kStart + seconds(60) + milliseconds(100)));
}

}  // namespace
}  // namespace baton::router
