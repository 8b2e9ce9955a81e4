#include "bench/report_files.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/loadgen/report.h"

namespace baton::app {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ReportFiles : public testing::Test {
 protected:
  ReportFiles() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::path(testing::TempDir()) / (std::string("report_files_") + test->name());
    fs::create_directories(folder_);
  }
  ~ReportFiles() override { fs::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ / name; }
  std::string Read(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(Path(name)).rdbuf();
    return text.str();
  }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name)) << text;
  }

  fs::path folder_;
};

TEST_F(ReportFiles, ShowRunsSideBySideNamedByTheirFiles) {
  Write("one.json", loadgen::ReportJson({.records = {{.message = "m"}}}));
  Write("two.json", loadgen::ReportJson({.label = "second"}));
  ASSERT_TRUE(CompareRuns({Path("one.json"), Path("two.json")}, Path("page.html")).ok());
  EXPECT_THAT(Read("page.html"),
              AllOf(HasSubstr(R"("label":"one")"), HasSubstr(R"("label":"second")"),
                    Not(HasSubstr(R"("records")"))));
}

TEST_F(ReportFiles, OfSomethingElseAreRefusedByName) {
  Write("other.json", R"({"schema": 3})");
  for (const char* name : {"other.json", "missing.json"}) {
    EXPECT_THAT(CompareRuns({Path(name)}, Path("page.html")).message(),
                HasSubstr("--compare " + Path(name)))
        << name;
  }
}

TEST_F(ReportFiles, ThatCannotBeWrittenAreNamedBeforeTheRun) {
  EXPECT_TRUE(CheckWritable("--json", "").ok());
  EXPECT_TRUE(CheckWritable("--json", Path("a.json")).ok());
  EXPECT_THAT(CheckWritable("--json", Path("no/a.json")).message(),
              HasSubstr("--json " + Path("no/a.json")));
}

}  // namespace
}  // namespace baton::app
