#include "baton/app/config_watch.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::app {
namespace {

using testing::HasSubstr;

class ConfigWatchTest : public testing::Test {
 protected:
  ConfigWatchTest() {
    std::string folder = (std::filesystem::temp_directory_path() / "baton-watch-XXXXXX").string();
    folder_ = mkdtemp(folder.data());
    Write("model: /m\n");
  }
  ~ConfigWatchTest() override { std::filesystem::remove_all(folder_); }

  std::string file() const { return folder_ / "baton.yaml"; }
  void Write(const std::string& text) { std::ofstream(file()) << text; }
  void Watch() {
    const config::Sources sources{.file = file()};
    watch_.emplace(sources, *config::LoadConfig(sources), clock_);
  }
  /// What two looks an interval apart see.
  std::optional<Result<config::Loaded>> Look() {
    if (auto edit = watch_->Look()) return edit;
    clock_.Advance(ConfigWatch::kInterval);
    return watch_->Look();
  }

  ManualClock clock_;
  std::filesystem::path folder_;
  std::optional<ConfigWatch> watch_;
};

TEST_F(ConfigWatchTest, ReadsAnEditOnceItHasBeenTheSameForAWhile) {
  Watch();
  EXPECT_FALSE(Look());
  Write("model: /m\nrouter: {policy: round_robin}\n");
  EXPECT_FALSE(watch_->Look());
  Write("model: /m\nrouter: {policy: least_loaded}\n");
  clock_.Advance(ConfigWatch::kInterval);
  EXPECT_FALSE(watch_->Look());
  clock_.Advance(ConfigWatch::kInterval);
  const auto edit = watch_->Look();
  ASSERT_TRUE(edit && edit->ok());
  EXPECT_EQ((*edit)->config.router.policy, "least_loaded");
  watch_->Accept(**edit);
  EXPECT_FALSE(Look());
}

TEST_F(ConfigWatchTest, NoticesWhatWasEditedBeforeItWatched) {
  const config::Sources sources{.file = file()};
  const config::Loaded loaded = *config::LoadConfig(sources);
  Write("model: /m\nlog_level: debug\n");
  watch_.emplace(sources, loaded, clock_);
  const auto edit = Look();
  EXPECT_TRUE(edit && edit->ok());
}

TEST_F(ConfigWatchTest, FollowsALinkThatIsReplacedAsAMountedConfigMapDoes) {
  std::filesystem::rename(file(), folder_ / "old.yaml");
  std::filesystem::create_symlink("old.yaml", file());
  Watch();
  EXPECT_FALSE(Look());
  std::ofstream(folder_ / "new.yaml") << "model: /m\nlog_level: debug\n";
  std::filesystem::create_symlink("new.yaml", folder_ / "next");
  std::filesystem::rename(folder_ / "next", file());
  const auto edit = Look();
  EXPECT_TRUE(edit && edit->ok());
}

TEST_F(ConfigWatchTest, TellsOnceWhyAnEditIsRefused) {
  Watch();
  EXPECT_FALSE(Look());
  Write("model: /m\nrouter: {polizy: cost}\n");
  auto edit = Look();
  ASSERT_TRUE(edit);
  EXPECT_THAT(edit->status().message(), HasSubstr(":2:10: unknown key 'polizy'"));
  EXPECT_FALSE(Look());
  Write("model: /m\nrouter: {policy: round_robin, threads: 3}\n");
  edit = Look();
  ASSERT_TRUE(edit);
  EXPECT_THAT(edit->status().message(), HasSubstr("router.threads needs a restart"));
  EXPECT_EQ(watch_->in_force().config.router.policy, "cost");
}

}  // namespace
}  // namespace baton::app
