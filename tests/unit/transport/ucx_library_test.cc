#include "ucx/ucx_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::transport {
namespace {

using testing::HasSubstr;

TEST(UcxLibrary, IsTakenOnlyInTheReleaseThatThisWasBuiltFor) {
  EXPECT_TRUE(CheckRelease(UCP_API_MAJOR, UCP_API_MINOR).ok());
  const Status newer = CheckRelease(UCP_API_MAJOR, UCP_API_MINOR + 9);
  EXPECT_EQ(newer.code(), StatusCode::kUnavailable);
  EXPECT_THAT(newer.message(), HasSubstr(std::to_string(UCP_API_MINOR + 9) + " was loaded"));
  EXPECT_FALSE(CheckRelease(UCP_API_MAJOR + 1, UCP_API_MINOR).ok());
}

}  // namespace
}  // namespace baton::transport
