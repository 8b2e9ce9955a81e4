#include "baton/app/log_output.h"

#include <array>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/app/file_descriptor.h"

namespace baton::app {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;

class LogOutputTest : public testing::Test {
 protected:
  LogOutputTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
    read_ = FileDescriptor(ends[0]);
    write_ = FileDescriptor(ends[1]);
  }
  LogOutputOptions Options() const {
    return {.fd = write_.get(), .name_width = 6, .patience = std::chrono::milliseconds(1)};
  }
  std::string Written() {
    std::string text;
    std::array<char, 4096> buffer;
    ssize_t bytes = 0;
    while ((bytes = read(read_.get(), buffer.data(), buffer.size())) > 0) {
      text.append(buffer.data(), static_cast<size_t>(bytes));
    }
    return text;
  }

  FileDescriptor read_;
  FileDescriptor write_;
};

TEST_F(LogOutputTest, AlignsTheNamesOfProcesses) {
  LogOutput log(Options());
  log.Write("p0", "hello");
  log.Write("router", "hello");
  EXPECT_EQ(Written(), "[p0    ] hello\n[router] hello\n");
}

TEST_F(LogOutputTest, ColoursOnlyThePrefix) {
  LogOutputOptions options = Options();
  options.colour = true;
  LogOutput log(options);
  log.Write("p0", "hello");
  EXPECT_THAT(Written(), MatchesRegex("\x1b\\[[0-9]+m\\[p0    \\]\x1b\\[0m hello\n"));
}

TEST_F(LogOutputTest, WritesNothingButObjectsWithJson) {
  LogOutputOptions options = Options();
  options.json = true;
  LogOutput log(options);
  log.Write("p0", R"({"message":"hello"})");
  log.Write("p0", "last words");
  log.Note("draining");
  EXPECT_THAT(Written(), MatchesRegex(R"(\{"message":"hello"\}
\{"time":"[^"]*","level":"info","process":"p0","message":"last words"\}
\{"time":"[^"]*","level":"info","process":"serve","message":"draining"\}
)"));
}

TEST_F(LogOutputTest, PutsTheTimeOnItsOwnLines) {
  LogOutput log(Options());
  log.Note("draining");
  EXPECT_THAT(Written(), MatchesRegex("\\[serve \\] ..:..:..\\.... draining\n"));
}

TEST_F(LogOutputTest, DropsAndCountsLinesThatNobodyTakes) {
  LogOutput log(Options());
  const std::string line(8192, 'x');
  for (int i = 0; i < 40; ++i) log.Write("p0", line);
  Written();
  log.Write("p0", "last");
  EXPECT_THAT(Written(), testing::AllOf(HasSubstr("[serve ] dropped "),
                                        EndsWith(" lines that nobody took\n[p0    ] last\n")));
}

TEST_F(LogOutputTest, GoesOnWhenItsReaderIsGone) {
  signal(SIGPIPE, SIG_IGN);
  LogOutput log(Options());
  read_.Close();
  log.Write("p0", "hello");
  SUCCEED();
}

}  // namespace
}  // namespace baton::app
