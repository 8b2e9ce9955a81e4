#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/child_reports.h"

namespace {

/// CTest's SKIP_RETURN_CODE.
constexpr int kAllSkipped = 77;

/// Fails the test whose processes a sanitizer found fault with.
class ReportCheck final : public testing::EmptyTestEventListener {
  void OnTestEnd(const testing::TestInfo&) override {
    for (const std::string& report : reports_.Take()) {
      ADD_FAILURE() << "a process of this test reported:\n" << report;
    }
  }

  baton::test::ChildReports reports_;
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  testing::UnitTest& run = *testing::UnitTest::GetInstance();
  run.listeners().Append(new ReportCheck);
  const int status = RUN_ALL_TESTS();
  const bool all_skipped = run.skipped_test_count() > 0 && run.successful_test_count() == 0;
  return status == 0 && all_skipped ? kAllSkipped : status;
}
