#include "baton/nccl/library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::nccl {
namespace {

using testing::HasSubstr;

bool BuiltWithNccl() {
  return Load().ok() || Load().status().message().find("this build") == std::string::npos;
}

TEST(NcclLibrary, TellsItsVersionAndGivesIdsWithoutADevice) {
  const auto nccl = Load();
  if (!nccl.ok()) GTEST_SKIP() << nccl.status().message();
  EXPECT_GE((*nccl)->version(), kLeastVersion);
  const auto first = (*nccl)->MakeUniqueId();
  if (!first.ok()) GTEST_SKIP() << first.status().message();
  EXPECT_NE(*first, *(*nccl)->MakeUniqueId());
}

TEST(NcclLibrary, SaysWhichFileIsMissing) {
  if (!BuiltWithNccl()) GTEST_SKIP() << Load().status().message();
  const Status status = Load("libnccl_of_nobody.so.2").status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("libnccl_of_nobody.so.2"));
}

TEST(NcclLibrary, SaysWhatAnotherLibraryLacks) {
  if (!BuiltWithNccl()) GTEST_SKIP() << Load().status().message();
  EXPECT_THAT(Load("libm.so.6").status().message(), HasSubstr("libm.so.6 lacks ncclGetVersion"));
}

TEST(NcclVersion, IsCheckedAgainstTheLeastAndTheCompiledOne) {
  EXPECT_TRUE(CheckVersion(22809, 22809).ok());
  EXPECT_TRUE(CheckVersion(21800, 22809).ok());
  EXPECT_TRUE(CheckVersion(23001, 22809).ok());
  const Status old = CheckVersion(21705, 22809);
  EXPECT_EQ(old.code(), StatusCode::kUnavailable);
  EXPECT_EQ(old.message(), "nccl 2.17.5 is too old; at least 2.18.0 is needed");
  EXPECT_EQ(CheckVersion(30000, 22809).message(),
            "nccl 3.0.0 is here, but this was built for 2.28.9");
}

}  // namespace
}  // namespace baton::nccl
