#include "breaker.h"

#include <gtest/gtest.h>

namespace baton::router {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class BreakersTest : public testing::Test {
 protected:
  /// A request is sent now and fails a moment later.
  void Fail() {
    breakers_.OnSent("d0", now_);
    now_ += milliseconds(1);
    breakers_.OnFailed("d0", now_ - milliseconds(1), now_);
  }
  void Open() {
    for (int i = 0; i < 3; ++i) Fail();
  }
  /// How long it takes until a request may go there.
  Duration OpenFor() {
    const TimePoint begin = now_;
    while (!breakers_.Lets("d0", now_)) now_ += milliseconds(10);
    return now_ - begin;
  }
  double Shown() const {
    for (const auto& family : registry_.Collect().families) {
      if (family.name == "baton_worker_breaker") return family.samples.front().value;
    }
    return -1;
  }

  TimePoint now_{seconds(100)};
  telemetry::MetricRegistry registry_;
  RouterMetrics metrics_{registry_};
  Breakers breakers_{{}, metrics_};
};

TEST_F(BreakersTest, OpensAfterAFewFailuresInARow) {
  Fail();
  Fail();
  EXPECT_TRUE(breakers_.Lets("d0", now_));
  Fail();
  EXPECT_FALSE(breakers_.Lets("d0", now_));
  EXPECT_TRUE(breakers_.Lets("d1", now_));
  EXPECT_EQ(Shown(), 2);
}

TEST_F(BreakersTest, TakesAllThatFailAtOnceForOneFailure) {
  for (int i = 0; i < 20; ++i) breakers_.OnSent("d0", now_);
  for (int i = 0; i < 20; ++i) breakers_.OnFailed("d0", now_, now_ + milliseconds(1 + i));
  EXPECT_TRUE(breakers_.Lets("d0", now_));
}

TEST_F(BreakersTest, ForgetsFailuresWhenOneRequestIsServed) {
  Fail();
  Fail();
  breakers_.OnServed("d0");
  Fail();
  EXPECT_TRUE(breakers_.Lets("d0", now_));
}

TEST_F(BreakersTest, ForgetsAWorkerThatHasLeft) {
  Open();
  EXPECT_FALSE(breakers_.quiet());

  breakers_.Forget("d0");
  metrics_.ForgetWorker("d0");

  EXPECT_TRUE(breakers_.quiet());
  EXPECT_TRUE(breakers_.Lets("d0", now_));
  EXPECT_EQ(Shown(), -1);
}

TEST_F(BreakersTest, LetsOneRequestTry) {
  Open();
  EXPECT_NEAR(Seconds(OpenFor()), 0.5, 0.02);
  breakers_.OnSent("d0", now_);
  EXPECT_FALSE(breakers_.Lets("d0", now_));
  EXPECT_EQ(Shown(), 1);
  breakers_.OnServed("d0");
  EXPECT_TRUE(breakers_.Lets("d0", now_));
  EXPECT_TRUE(breakers_.quiet());
  EXPECT_EQ(Shown(), 0);
}

TEST_F(BreakersTest, LetsAnotherTryWhenTheFirstIsGivenUp) {
  Open();
  OpenFor();
  breakers_.OnSent("d0", now_);
  breakers_.OnDropped("d0");
  EXPECT_TRUE(breakers_.Lets("d0", now_));
}

TEST_F(BreakersTest, StaysOpenTwiceAsLongEachTimeUpToALimit) {
  Open();
  for (double expected : {0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0}) {
    EXPECT_NEAR(Seconds(OpenFor()), expected, 0.02);
    Fail();
  }
}

}  // namespace
}  // namespace baton::router
