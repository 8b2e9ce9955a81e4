#include "baton/discovery/file_source.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "baton/base/mailbox.h"
#include "support/tiny_model.h"

namespace baton::discovery {
namespace {

constexpr Duration kPatience = std::chrono::seconds(20);

class Heard final : public Listener {
 public:
  void OnPlaces(std::vector<Place> found) override { places.TrySend(std::move(found)); }
  void OnTrouble(Status status) override { troubles.TrySend(std::move(status)); }

  Mailbox<std::vector<Place>> places{16};
  Mailbox<Status> troubles{16};
};

class FileSourceTest : public testing::Test {
 protected:
  FileSourceTest() { Write("p0=10.0.0.7:7000\n"); }
  /// At once, as whoever edits such a file should.
  void Write(const std::string& text) const {
    testing_support::WriteFile(file_ + ".new", text);
    std::filesystem::rename(file_ + ".new", file_);
  }
  Result<std::unique_ptr<Source>> Open() const {
    return FileSource(file_, std::chrono::milliseconds(5), Clock::System());
  }

  testing_support::TemporaryFolder folder_;
  const std::string file_ = folder_.path() / "workers.txt";
  Heard heard_;
};

TEST_F(FileSourceTest, TellsWhatTheFileListsAndEachChange) {
  const auto source = *Open();
  source->Start(heard_);
  EXPECT_EQ(heard_.places.Receive(kPatience), (std::vector<Place>{{"p0", "10.0.0.7:7000"}}));
  Write("p1=10.0.0.8:7000\n");
  EXPECT_EQ(heard_.places.Receive(kPatience), (std::vector<Place>{{"p1", "10.0.0.8:7000"}}));
}

TEST_F(FileSourceTest, RefusesAWrongFileWholeAndSaysWhenItIsRightAgain) {
  const auto source = *Open();
  source->Start(heard_);
  ASSERT_TRUE(heard_.places.Receive(kPatience));
  Write("p1=10.0.0.8:7000\nnonsense\n");
  EXPECT_EQ(heard_.troubles.Receive(kPatience)->code(), StatusCode::kInvalidArgument);
  Write("p2=10.0.0.9:7000\n");
  EXPECT_TRUE(heard_.troubles.Receive(kPatience)->ok());
  EXPECT_EQ(heard_.places.Receive(kPatience), (std::vector<Place>{{"p2", "10.0.0.9:7000"}}));
}

TEST_F(FileSourceTest, NeedsARightFileToBeginWith) {
  Write("nonsense\n");
  EXPECT_EQ(Open().status().code(), StatusCode::kInvalidArgument);
  std::filesystem::remove(file_);
  EXPECT_EQ(Open().status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace baton::discovery
