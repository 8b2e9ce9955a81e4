#include "baton/device/sm_share.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace baton::device {
namespace {

namespace fs = std::filesystem;

class SmShare : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("mps-" + std::to_string(getpid()));
    fs::create_directories(folder_);
    setenv("CUDA_MPS_PIPE_DIRECTORY", folder_.c_str(), 1);
    unsetenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE");
  }
  void TearDown() override {
    unsetenv("CUDA_MPS_PIPE_DIRECTORY");
    unsetenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE");
    fs::remove_all(folder_);
  }

  fs::path folder_;
};

TEST_F(SmShare, IsToldToTheServiceThatRuns) {
  std::ofstream(folder_ / "control") << "";
  ASSERT_TRUE(LimitSmShare(40).ok());
  EXPECT_STREQ(std::getenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"), "40");
}

TEST_F(SmShare, IsRefusedWhereNoServiceKeepsIt) {
  const Status status = LimitSmShare(40);
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), testing::HasSubstr((folder_ / "control").string()));
  EXPECT_EQ(std::getenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"), nullptr);
}

}  // namespace
}  // namespace baton::device
