#include "baton/base/file_watch.h"

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

namespace baton {
namespace {

constexpr Duration kInterval = std::chrono::seconds(1);

class FileWatchTest : public testing::Test {
 protected:
  FileWatchTest() { Write("one"); }
  ~FileWatchTest() override { std::filesystem::remove(path_); }

  void Write(const std::string& text) const { std::ofstream(path_) << text; }
  /// After an interval.
  bool Changed() {
    clock_.Advance(kInterval);
    return watch_->Changed();
  }
  void Watch() { watch_.emplace(std::vector{path_}, kInterval, clock_); }

  const std::string path_ =
      std::filesystem::temp_directory_path() / ("baton-watch-" + std::to_string(getpid()));
  ManualClock clock_;
  std::optional<FileWatch> watch_;
};

TEST_F(FileWatchTest, SeesThatAFileWasWrittenOnce) {
  Watch();
  EXPECT_FALSE(Changed());
  Write("three");
  EXPECT_TRUE(Changed());
  EXPECT_FALSE(Changed());
}

TEST_F(FileWatchTest, LooksNoMoreOftenThanItIsTold) {
  Watch();
  Write("three");
  EXPECT_FALSE(watch_->Changed());
  EXPECT_TRUE(Changed());
}

TEST_F(FileWatchTest, TakesAMissingFileForOneThatIsBeingReplaced) {
  Watch();
  std::filesystem::remove(path_);
  EXPECT_FALSE(Changed());
  Write("three");
  EXPECT_TRUE(Changed());
}

}  // namespace
}  // namespace baton
