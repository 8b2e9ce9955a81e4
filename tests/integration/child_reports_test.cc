#include "support/child_reports.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

/// The fault tests kill processes and restart what dies, so that a sanitizer's complaint about one
/// could pass for another kill. These make sure that none is missed.
namespace baton::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Runs a program that does wrong as it is told; see tests/support/faulty_process.cc.
void RunFaulty(const std::string& fault) {
  const std::string program = BATON_BINARY_DIR "/bin/faulty_process";
  // Its parent ends by a signal, as killed workers do.
  EXPECT_NE(std::system(("sh -c '" + program + " " + fault + "; kill -9 $$'").c_str()), 0);
}

class ChildReportsOf : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(ChildReportsOf, AFaultyGrandchildAreTaken) {
  ChildReports reports;
  RunFaulty(GetParam().first);
  EXPECT_THAT(reports.Take(), ElementsAre(HasSubstr(GetParam().second)));
  EXPECT_THAT(reports.Take(), IsEmpty());
}

TEST(ChildReports, OfAFaultlessProcessAreNone) {
  ChildReports reports;
  RunFaulty("none");
  EXPECT_THAT(reports.Take(), IsEmpty());
}

const std::pair<const char*, const char*> kFaults[] = {
#ifdef BATON_SANITIZES_THREADS
    {"race", "data race"},
#else
    {"overflow", "heap-buffer-overflow"},
    {"leak", "detected memory leaks"},
    {"undefined", "signed integer overflow"},
#endif
};

INSTANTIATE_TEST_SUITE_P(Faults, ChildReportsOf, testing::ValuesIn(kFaults),
                         [](const auto& fault) { return std::string(fault.param.first); });

}  // namespace
}  // namespace baton::test
