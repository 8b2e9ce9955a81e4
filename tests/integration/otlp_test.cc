#include <gtest/gtest.h>

#include "support/python_clients.h"

/// What a receiver of OpenTelemetry's protocol gets of a server, read by that protocol's own
/// schema.
namespace baton::test {
namespace {

TEST(Otlp, TellsOfRequestsHoweverTheyGo) {
  const ProgramOutcome outcome = RunSpanTest();
  if (outcome.exit_code == 77) GTEST_SKIP() << "PyPI cannot be reached";
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
}

}  // namespace
}  // namespace baton::test
