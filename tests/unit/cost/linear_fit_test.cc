#include "baton/cost/linear_fit.h"

#include <array>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "baton/base/random.h"

namespace baton::cost {
namespace {

/// y = c x with a relative error of up to `noise`, for x drawn from [0, most].
class Synthetic {
 public:
  explicit Synthetic(uint64_t seed) : random_(seed) {}

  double Unit() { return static_cast<double>(random_.Below(1 << 20)) / (1 << 20); }
  void Teach(LinearFit& fit, int count, double noise = 0, size_t group = 0) {
    for (int i = 0; i < count; ++i) {
      const std::array x{1.0, 500 * Unit(), 64 * Unit()};
      double y = 1 + noise * (2 * Unit() - 1);
      y *= c[0] * x[0] + c[1] * x[1] + c[2] * x[2];
      fit.Learn(x, y, group);
    }
  }

  std::array<double, 3> c{0.002, 0.0001, 0.0005};

 private:
  Random random_;
};

void ExpectNear(const LinearFit& fit, const std::array<double, 3>& c, double relative) {
  for (size_t i = 0; i < c.size(); ++i) {
    EXPECT_NEAR(fit.coefficients()[i], c[i], relative * c[i]) << i;
  }
}

TEST(LinearFit, FindsTheTruthThatItSeesWithoutNoise) {
  Synthetic truth(1);
  LinearFit fit(3, 1);
  truth.Teach(fit, 200);
  ExpectNear(fit, truth.c, 0.01);
}

TEST(LinearFit, FindsItThroughNoise) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Synthetic truth(seed);
    LinearFit fit(3, 1);
    truth.Teach(fit, 400, 0.1);
    EXPECT_NEAR(fit.Predict(std::array{1.0, 250.0, 32.0}), 0.043, 0.043 * 0.05) << seed;
  }
}

TEST(LinearFit, FollowsADrift) {
  Synthetic truth(2);
  LinearFit fit(3, 1);
  truth.Teach(fit, 300);
  for (double& c : truth.c) c *= 2;
  truth.Teach(fit, 1000);
  ExpectNear(fit, truth.c, 0.05);
}

TEST(LinearFit, FollowsAJumpInSomeDozenObservations) {
  for (const double factor : {100.0, 0.01}) {
    Synthetic truth(6);
    LinearFit fit(3, 1);
    truth.Teach(fit, 300);
    for (double& c : truth.c) c *= factor;
    truth.Teach(fit, 60);
    EXPECT_NEAR(fit.Predict(std::array{1.0, 250.0, 32.0}), 0.043 * factor, 0.0043 * factor);
  }
}

TEST(LinearFit, IsHardlyMovedByStalls) {
  Synthetic truth(3);
  LinearFit fit(3, 1);
  for (int i = 0; i < 300; ++i) {
    truth.Teach(fit, 19);
    fit.Learn(std::array{1.0, 100.0, 10.0}, 2.0);
  }
  EXPECT_NEAR(fit.Predict(std::array{1.0, 250.0, 32.0}), 0.043, 0.043 * 0.05);
}

TEST(LinearFit, IsHardlyMovedByAValueFarTooSmall) {
  Synthetic truth(4);
  LinearFit fit(3, 1);
  truth.Teach(fit, 200);
  fit.Learn(std::array{1.0, 250.0, 32.0}, 1e-7);
  EXPECT_NEAR(fit.Predict(std::array{1.0, 250.0, 32.0}), 0.043, 0.043 * 0.1);
}

TEST(LinearFit, NeverHasANegativeCoefficient) {
  LinearFit fit(2, 1);
  for (int i = 0; i < 200; ++i) fit.Learn(std::array{1.0, 1.0 + i % 10}, 10.0 - i % 10);
  for (const double c : fit.coefficients()) EXPECT_GE(c, 0);
}

TEST(LinearFit, RemembersAGroupWhileOnlyAnotherIsSeen) {
  LinearFit fit(3, 2);
  for (int i = 0; i < 200; ++i)
    fit.Learn(std::array{1.0, 100.0 + 7 * (i % 50), 0.0}, 0.001 * (2 + (100 + 7 * (i % 50)) * 0.1),
              0);
  for (int i = 0; i < 5000; ++i)
    fit.Learn(std::array{1.0, 0.0, 1.0 + i % 8}, 0.001 * (2 + (1 + i % 8)), 1);
  EXPECT_NEAR(fit.Predict(std::array{1.0, 300.0, 0.0}), 0.032, 0.032 * 0.02);
}

TEST(LinearFit, IgnoresWhatIsNoObservation) {
  LinearFit fit(1, 1);
  fit.Learn(std::array{1.0}, 3.0);
  for (const double y : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    fit.Learn(std::array{1.0}, y);
  }
  fit.Learn(std::array{std::nan("")}, 3.0);
  EXPECT_EQ(fit.observations(0), 1u);
  EXPECT_NEAR(fit.Predict(std::array{1.0}), 3.0, 1e-9);
}

}  // namespace
}  // namespace baton::cost
