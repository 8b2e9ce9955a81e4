#include "baton/telemetry/trace_writer.h"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/tiny_model.h"

namespace baton::telemetry {
namespace {

namespace fs = std::filesystem;
using testing_support::TemporaryFolder;

std::string TextOf(const fs::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// What is in a folder, in order.
std::vector<std::string> NamesIn(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

class TraceWriterTest : public testing::Test {
 protected:
  std::unique_ptr<TraceWriter> Start(int32_t files = 10) {
    return *TraceWriter::Create({.folder = folder_.path() / "traces", .files = files}, registry_);
  }
  double Count(const std::string& outcome) {
    for (const MetricFamily& family : registry_.Collect().families) {
      for (const MetricSample& sample : family.samples) {
        if (sample.labels == Labels{{"outcome", outcome}}) return sample.value;
      }
    }
    return -1;
  }

  TemporaryFolder folder_;
  MetricRegistry registry_;
};

TEST_F(TraceWriterTest, WritesATraceUnderTheNameOfItsRequest) {
  auto writer = Start();
  writer->Write("cmpl-7-0", {{.process = "router", .spans = {}}});
  writer.reset();

  EXPECT_THAT(NamesIn(folder_.path() / "traces"), testing::ElementsAre("cmpl-7-0.json"));
  EXPECT_EQ(TextOf(folder_.path() / "traces" / "cmpl-7-0.json"),
            ChromeTraceJson("cmpl-7-0", {{.process = "router", .spans = {}}}));
  EXPECT_EQ(Count("written"), 1);
}

TEST_F(TraceWriterTest, LeavesTheFolderWithNoName) {
  EXPECT_EQ(TraceWriter::FileName("a-Z_0"), "a-Z_0.json");
  EXPECT_EQ(TraceWriter::FileName("../../etc/passwd"), "______etc_passwd.json");
  EXPECT_EQ(TraceWriter::FileName(".hidden\n\xC3"), "_hidden__.json");
  EXPECT_EQ(TraceWriter::FileName(""), "_.json");
  EXPECT_EQ(TraceWriter::FileName(std::string(999, 'x')).size(), 128 + 5u);
}

TEST_F(TraceWriterTest, KeepsTheLatestFiles) {
  auto writer = Start(2);
  for (const char* id : {"a", "b", "c"}) writer->Write(id, {});
  writer.reset();

  EXPECT_THAT(NamesIn(folder_.path() / "traces"), testing::ElementsAre("b.json", "c.json"));
}

TEST_F(TraceWriterTest, CountsWhatItCannotWriteAndGoesOn) {
  auto writer = Start();
  fs::remove_all(folder_.path() / "traces");
  writer->Write("a", {});
  writer->Write("b", {});
  writer.reset();

  EXPECT_EQ(Count("failed"), 2);
  EXPECT_EQ(Count("written"), 0);
}

TEST_F(TraceWriterTest, RefusesAFolderThatIsNone) {
  std::ofstream(folder_.path() / "file") << "x";
  const auto writer = TraceWriter::Create({.folder = folder_.path() / "file"}, registry_);

  EXPECT_EQ(writer.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(writer.status().message(), testing::HasSubstr("telemetry.trace_folder"));
}

}  // namespace
}  // namespace baton::telemetry
