#include "baton/access/gatekeeper.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace baton::access {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

/// A file of keys in a folder of its own.
class GatekeeperTest : public testing::Test {
 protected:
  GatekeeperTest() {
    std::string folder = (std::filesystem::temp_directory_path() / "baton-keys-XXXXXX").string();
    folder_ = mkdtemp(folder.data());
    file_ = folder_ + "/keys";
  }
  ~GatekeeperTest() override { std::filesystem::remove_all(folder_); }

  static std::string Line(const std::string& key, const std::string& fields) {
    return "key sha256:" + ToHex(Sha256(key)) + " " + fields + "\n";
  }
  /// Replaces the file as an operator's tool does.
  void Write(const std::string& text) {
    std::ofstream(file_ + ".new") << text;
    std::filesystem::rename(file_ + ".new", file_);
  }
  void Open() {
    auto opened = Gatekeeper::Open(file_, clock_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    gatekeeper_ = *std::move(opened);
  }

  ManualClock clock_;
  std::string folder_;
  std::string file_;
  std::unique_ptr<Gatekeeper> gatekeeper_;
};

TEST_F(GatekeeperTest, KnowsTheHoldersOfItsKeys) {
  Write("salt_secret 0123456789abcdef\n" + Line("one", "name=a tenant=t") + Line("two", "name=b"));
  Open();
  const std::optional<Caller> caller = gatekeeper_->Identify("one");
  ASSERT_TRUE(caller);
  EXPECT_EQ(caller->name, "a");
  EXPECT_EQ(caller->tenant, "t");
  EXPECT_EQ(caller->salt_secret, "0123456789abcdef");
  EXPECT_EQ(gatekeeper_->Identify("two")->name, "b");
  EXPECT_FALSE(gatekeeper_->Identify("three"));
  EXPECT_FALSE(gatekeeper_->Identify(""));
  // The hash is no key.
  EXPECT_FALSE(gatekeeper_->Identify(ToHex(Sha256("one"))));
}

TEST_F(GatekeeperTest, NeedsAFileThatCanBeRead) {
  const auto opened = Gatekeeper::Open(file_, clock_);
  EXPECT_EQ(opened.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(opened.status().message(), HasSubstr(file_ + ": cannot be read"));
}

TEST_F(GatekeeperTest, ReadsTheFileAgainOnceItHasChanged) {
  Write(Line("old", "name=a"));
  Open();
  Write(Line("new", "name=a requests_at_once=5"));
  EXPECT_TRUE(gatekeeper_->Identify("old"));
  clock_.Advance(seconds(1));
  EXPECT_FALSE(gatekeeper_->Identify("old"));
  EXPECT_EQ(gatekeeper_->Identify("new")->limits.requests_at_once, 5);
}

TEST_F(GatekeeperTest, KeepsItsKeysWhenTheNewFileIsBad) {
  Write(Line("old", "name=a"));
  Open();
  Write("key nonsense\n");
  clock_.Advance(seconds(1));
  EXPECT_TRUE(gatekeeper_->Identify("old"));
  std::filesystem::remove(file_);
  clock_.Advance(seconds(1));
  EXPECT_TRUE(gatekeeper_->Identify("old"));
  Write(Line("new", "name=b"));
  clock_.Advance(seconds(1));
  EXPECT_TRUE(gatekeeper_->Identify("new"));
}

TEST_F(GatekeeperTest, CountsOnAcrossAChange) {
  Write(Line("key", "name=a requests_at_once=1"));
  Open();
  const std::optional<Caller> before = gatekeeper_->Identify("key");
  EXPECT_FALSE(before->use->Enter(before->limits, clock_.Now()));
  Write(Line("key", "name=a requests_at_once=1 tenant=new"));
  clock_.Advance(seconds(1));
  const std::optional<Caller> after = gatekeeper_->Identify("key");
  EXPECT_EQ(after->tenant, "new");
  EXPECT_TRUE(after->use->Enter(after->limits, clock_.Now()));
}

}  // namespace
}  // namespace baton::access
