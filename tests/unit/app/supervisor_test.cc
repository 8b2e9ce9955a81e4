#include "baton/app/supervisor.h"

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "baton/app/child_process.h"
#include "baton/app/file_descriptor.h"
#include "baton/app/pidfd.h"

namespace baton::app {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::MatchesRegex;

constexpr int kPatienceMs = 20'000;

/// Runs shell scripts under a supervisor; signals and the log go through pipes.
class SupervisorTest : public testing::Test {
 protected:
  SupervisorTest() {
    std::tie(signals_read_, signals_write_) = MakePipe();
    std::tie(log_read_, log_write_) = MakePipe();
    fcntl(log_read_.get(), F_SETPIPE_SZ, 1 << 20);
    options_.executable = "/bin/sh";
    options_.restart = {.delay = 1ms, .longest_delay = 4ms, .healthy = 1h, .attempts = 3};
    options_.drain = 10s;
    options_.stop = 10s;
    options_.same_signal = 0s;
    options_.log = {.fd = log_write_.get(), .name_width = 2};
  }

  static std::pair<FileDescriptor, FileDescriptor> MakePipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
  }

  void Add(const std::string& name, const std::string& script, int stage = 0) {
    specs_.push_back({name, {"sh", "-c", script}, stage});
  }
  void Signal(int number) {
    signalfd_siginfo info{};
    info.ssi_signo = static_cast<uint32_t>(number);
    EXPECT_EQ(write(signals_write_.get(), &info, sizeof info), ssize_t{sizeof info});
  }
  Status Run() {
    Supervisor supervisor(options_, specs_, Clock::System());
    return supervisor.Run(signals_read_.get());
  }
  std::string Log() {
    log_write_.Close();
    std::string text;
    std::array<char, 4096> buffer;
    ssize_t bytes = 0;
    while ((bytes = read(log_read_.get(), buffer.data(), buffer.size())) > 0) {
      text.append(buffer.data(), static_cast<size_t>(bytes));
    }
    return text;
  }

  FileDescriptor signals_read_, signals_write_, log_read_, log_write_;
  SupervisorOptions options_;
  std::vector<ProcessSpec> specs_;
};

constexpr char kReadyThenWait[] =
    "trap 'echo bye; exit 0' TERM; echo READY=1 >/dev/fd/$BATON_NOTIFY_FD; "
    "sleep 1000 & wait";

TEST_F(SupervisorTest, PutsTheNameBeforeEachLineOfOutputAndError) {
  Add("p0", "echo out; echo err >&2; echo READY=1 >/dev/fd/$BATON_NOTIFY_FD; sleep 1000 & wait");
  options_.on_ready = [&](auto&, auto&) { Signal(SIGTERM); };
  EXPECT_TRUE(Run().ok());
  EXPECT_THAT(Log(), HasSubstr("[p0] out\n[p0] err\n"));
}

TEST_F(SupervisorTest, HandsOnWhatAProcessReports) {
  Add("p0", "printf 'URL=http://h:1\\nREADY=1\\n' >/dev/fd/$BATON_NOTIFY_FD; sleep 1000 & wait");
  std::string url;
  options_.on_ready = [&](auto&, auto& notes) {
    url = notes.at("URL");
    Signal(SIGTERM);
  };
  EXPECT_TRUE(Run().ok());
  EXPECT_EQ(url, "http://h:1");
}

TEST_F(SupervisorTest, RestartsAProcessThatWasReady) {
  Add("p0", "echo READY=1 >/dev/fd/$BATON_NOTIFY_FD; exit 7");
  int ready = 0;
  options_.on_ready = [&](auto&, auto&) {
    if (++ready == 5) Signal(SIGTERM);
  };
  EXPECT_TRUE(Run().ok());
  EXPECT_THAT(Log(), HasSubstr("p0 ended with exit code 7; starting it again in 0.004 s"));
}

TEST_F(SupervisorTest, GivesUpOnAProcessThatNeverGetsReady) {
  Add("p0", "echo no model; exit 1");
  Add("r0", kReadyThenWait);
  EXPECT_EQ(Run(), Aborted("p0 ended with exit code 1, for the 3. time without having been ready; "
                           "its last lines say why"));
}

TEST_F(SupervisorTest, DoesNotRetryARefusedConfiguration) {
  Add("p0", "exit 2");
  EXPECT_EQ(Run(),
            FailedPrecondition("p0 ended with exit code 2: it refuses its configuration or model"));
}

TEST_F(SupervisorTest, GoesOnWhereAProcessThatWasReadyRefusesAnEditedConfiguration) {
  // Ready, then refusing twice, then ready again.
  std::array<char, 32> folder{"/tmp/baton-supervisor-XXXXXX"};
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string counter = std::string(folder.data()) + "/n";
  Add("p0", "echo x >> " + counter + "; n=$(wc -l < " + counter +
                "); if [ $n -eq 2 ] || [ $n -eq 3 ]; then exit 2; fi; "
                "echo READY=1 >/dev/fd/$BATON_NOTIFY_FD; exit 1");
  int ready = 0;
  options_.on_ready = [&](auto&, auto&) {
    if (++ready == 2) Signal(SIGTERM);
  };
  EXPECT_TRUE(Run().ok());
  EXPECT_EQ(ready, 2);
  EXPECT_THAT(Log(), HasSubstr("p0 ended with exit code 2: it refuses its configuration, which was "
                               "another one before; starting it again"));
  std::filesystem::remove_all(folder.data());
}

TEST_F(SupervisorTest, SaysWhichSignalEndedAProcess) {
  Add("p0", "kill -SEGV $$");
  EXPECT_THAT(Run().message(), HasSubstr("p0 ended with signal 11 (Segmentation fault)"));
}

TEST_F(SupervisorTest, SaysWhenTheExecutableIsMissing) {
  options_.executable = "/no/such/baton";
  Add("p0", "");
  EXPECT_EQ(Run(), Aborted("p0: cannot execute /no/such/baton: No such file or directory"));
}

TEST_F(SupervisorTest, StopsTheRouterBeforeItsWorkers) {
  Add("r0", kReadyThenWait, 0);
  Add("p0", kReadyThenWait, 1);
  int ready = 0;
  options_.on_ready = [&](auto&, auto&) {
    if (++ready == 2) Signal(SIGINT);
  };
  EXPECT_TRUE(Run().ok());
  EXPECT_THAT(Log(), HasSubstr("[r0] bye\n[p0] bye\n"));
}

TEST_F(SupervisorTest, KillsWhatIgnoresATermSignalWhenPatienceEnds) {
  options_.drain = 1ms;
  options_.stop = 1s;  // Both before and after the kill.
  Add("p0", "trap '' TERM; echo READY=1 >/dev/fd/$BATON_NOTIFY_FD; sleep 1000 & wait");
  options_.on_ready = [&](auto&, auto&) { Signal(SIGTERM); };
  EXPECT_EQ(Run(), Cancelled("processes were killed before they had drained"));
  EXPECT_THAT(Log(), HasSubstr("p0 ended with signal 9 (Killed)"));
}

TEST_F(SupervisorTest, KillsAtTheSecondSignal) {
  options_.drain = 1h;
  Add("p0", "trap '' TERM; echo READY=1 >/dev/fd/$BATON_NOTIFY_FD; sleep 1000 & wait");
  options_.on_ready = [&](auto&, auto&) {
    Signal(SIGINT);
    Signal(SIGINT);
  };
  EXPECT_EQ(Run(), Cancelled("processes were killed before they had drained"));
  EXPECT_THAT(Log(), HasSubstr("SIGINT again: killing"));
}

TEST_F(SupervisorTest, TakesTwoSignalsAtOnceForOne) {
  options_.same_signal = 1h;
  Add("p0", kReadyThenWait);
  options_.on_ready = [&](auto&, auto&) {
    Signal(SIGINT);
    Signal(SIGINT);
  };
  EXPECT_TRUE(Run().ok());
  EXPECT_THAT(Log(), HasSubstr("[p0] bye\n"));
}

TEST_F(SupervisorTest, LeavesNoZombies) {
  Add("p0", "echo READY=1 >/dev/fd/$BATON_NOTIFY_FD; exit 1");
  int ready = 0;
  options_.on_ready = [&](auto&, auto&) {
    if (++ready == 4) Signal(SIGTERM);
  };
  EXPECT_TRUE(Run().ok());
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(SupervisorTest, GivesProcessesAGroupOfTheirOwnAndNoBlockedSignals) {
  Add("p0",
      "read pid name state parent group rest </proc/$$/stat; [ $group = $$ ] && echo own group; "
      "grep SigBlk /proc/self/status; echo READY=1 >/dev/fd/$BATON_NOTIFY_FD; sleep 1000 & wait");
  options_.on_ready = [&](auto&, auto&) { Signal(SIGTERM); };
  EXPECT_TRUE(Run().ok());
  EXPECT_THAT(Log(), HasSubstr("[p0] own group\n[p0] SigBlk:\t0000000000000000"));
}

TEST_F(SupervisorTest, EndsWhatItsProcessesLeaveBehind) {
  Add("p0", "sleep 1000 & echo left $!; echo READY=1 >/dev/fd/$BATON_NOTIFY_FD");
  options_.on_ready = [&](auto&, auto&) { Signal(SIGTERM); };
  EXPECT_TRUE(Run().ok());
  const std::string log = Log();
  const pid_t left = std::stoi(log.substr(log.find("left ") + 5));
  const FileDescriptor pidfd = OpenPidfd(left);
  pollfd ended{pidfd.get(), POLLIN, 0};
  EXPECT_TRUE(!pidfd.open() || poll(&ended, 1, kPatienceMs) == 1);
}

/// Reads one line from the pipe, waiting a bounded time for it.
std::string ReadLine(int fd) {
  std::string line;
  for (char c = 0; c != '\n';) {
    pollfd readable{fd, POLLIN, 0};
    if (poll(&readable, 1, kPatienceMs) != 1 || read(fd, &c, 1) != 1) return line;
    line += c;
  }
  return line;
}

TEST_F(SupervisorTest, LeavesNoOrphanWhenItIsKilled) {
  Add("p0", "echo pid $$; exec sleep 1000");
  const pid_t supervisor = fork();
  if (supervisor == 0) {
    Run().ok();
    _exit(0);
  }
  const std::string line = ReadLine(log_read_.get());
  ASSERT_THAT(line, MatchesRegex("\\[p0\\] pid [0-9]+\n"));
  const FileDescriptor child = OpenPidfd(std::stoi(line.substr(line.find("pid ") + 4)));
  ASSERT_TRUE(child.open());

  kill(supervisor, SIGKILL);
  EXPECT_EQ(waitpid(supervisor, nullptr, 0), supervisor);
  pollfd ended{child.get(), POLLIN, 0};
  EXPECT_EQ(poll(&ended, 1, kPatienceMs), 1);
}

}  // namespace
}  // namespace baton::app
