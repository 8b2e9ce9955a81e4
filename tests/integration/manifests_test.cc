#include <gtest/gtest.h>

#include "support/python_clients.h"

/// configs/kubernetes, without a cluster.
namespace baton::test {
namespace {

void ExpectPasses(const std::string& script) {
  const ProgramOutcome outcome = RunManifestTest(script);
  if (outcome.exit_code == 77) GTEST_SKIP() << "PyPI cannot be reached";
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
}

TEST(Manifests, RenderToWhatSchemasAllow) { ExpectPasses("objects_test.py"); }

TEST(Manifests, SayWhatTheExecutableDoes) { ExpectPasses("contract_test.py"); }

TEST(Manifests, AreExplainedByAGuideThatCanBeTyped) { ExpectPasses("guide_test.py"); }

}  // namespace
}  // namespace baton::test
