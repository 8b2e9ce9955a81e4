#include <gtest/gtest.h>

#include "support/python_clients.h"

/// configs/kubernetes on networks of their own, as a cluster would run it.
namespace baton::test {
namespace {

TEST(Pods, ReplacedAndCutOffUnderLoadFailNobody) {
  const ProgramOutcome outcome = RunManifestTest("pods_test.py");
  if (outcome.exit_code == 77) GTEST_SKIP() << "PyPI cannot be reached, or: " << outcome.output;
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
}

}  // namespace
}  // namespace baton::test
