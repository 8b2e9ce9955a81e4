#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

/// CTest's SKIP_RETURN_CODE.
constexpr int kAllSkipped = 77;

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  const int status = RUN_ALL_TESTS();
  const testing::UnitTest& run = *testing::UnitTest::GetInstance();
  const bool all_skipped = run.skipped_test_count() > 0 && run.successful_test_count() == 0;
  return status == 0 && all_skipped ? kAllSkipped : status;
}
