#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

namespace baton::app {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

struct Outcome {
  int exit_code = -1;
  /// Standard output and error.
  std::string text;
};

/// Runs the executable of this build with `arguments` of a shell.
Outcome RunBaton(const std::string& arguments, const std::string& environment = "") {
  const std::string command =
      environment + " " BATON_BINARY_DIR "/bin/baton " + arguments + " 2>&1";
  Outcome outcome;
  FILE* pipe = popen(command.c_str(), "r");
  std::array<char, 4096> buffer;
  for (size_t bytes = 0; (bytes = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    outcome.text.append(buffer.data(), bytes);
  }
  const int status = pclose(pipe);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

constexpr char kLocal[] = "--config configs/local.yaml ";

TEST(Baton, PrintsItsVersion) {
  const Outcome outcome = RunBaton("version");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.text, StartsWith("baton "));
}

TEST(Baton, EndsWithTwoForWrongArguments) { EXPECT_EQ(RunBaton("serve --prot 1").exit_code, 2); }

TEST(Baton, ValidatesAConfiguration) {
  const Outcome outcome = RunBaton(std::string("serve --validate-config ") + kLocal);
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.text, "OK\n");
}

TEST(Baton, PrintsAllErrorsOfAConfigurationAndEndsWithTwo) {
  const Outcome outcome =
      RunBaton(std::string("serve --validate-config --set a=1 --port x ") + kLocal);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("--set a: unknown key 'a'"),
                                  HasSubstr("--port: router.port is 'x'; accepted: integer from")));
}

TEST(Baton, PrintsAConfigurationThatLoadsToTheSame) {
  const std::string file = testing::TempDir() + "/baton_print_config.yaml";
  const Outcome first =
      RunBaton(std::string("serve --print-config --set router.port=1234 ") + kLocal);
  std::ofstream(file) << first.text;
  const Outcome second = RunBaton("serve --print-config --config " + file);
  EXPECT_EQ(second.exit_code, 0);
  EXPECT_THAT(second.text, HasSubstr("port: 1234"));
  std::remove(file.c_str());
}

TEST(Baton, PrefersFlagsToTheEnvironment) {
  const Outcome outcome =
      RunBaton(std::string("serve --print-config --port 7 ") + kLocal,
               "BATON_ROUTER_PORT=8 BATON_ROUTER_HOST=1.2.3.4 BATON_ROUTER_INSECURE=true");
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("host: 1.2.3.4"), HasSubstr("port: 7 ")));
}

TEST(Baton, EndsWithTwoRatherThanServeWhoeverComes) {
  const Outcome outcome = RunBaton(std::string("serve --host 0.0.0.0 ") + kLocal);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.text, HasSubstr("--host: router.host is 0.0.0.0, where others reach it"));
}

TEST(Baton, EndsWithTwoForAFileOfKeysThatIsNone) {
  const Outcome outcome = RunBaton(
      "router --worker m0=127.0.0.1:1 --set router.api_keys=/nowhere/keys " + std::string(kLocal));
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.text, HasSubstr("/nowhere/keys: cannot be read"));
}

TEST(Baton, PrintsTheLineOfANewKeyAndTheKeyBeside) {
  const Outcome both = RunBaton("key --name alice --requests-at-once 8");
  EXPECT_EQ(both.exit_code, 0);
  EXPECT_THAT(both.text,
              testing::MatchesRegex("The key of alice, shown this once: bt-[0-9a-f]+\n"
                                    "key sha256:[0-9a-f]+ name=alice requests_at_once=8\n"));
  // Standard output alone passes the pipe.
  EXPECT_THAT(RunBaton("key --name alice | sed s/^/out:/").text,
              testing::MatchesRegex("out:key sha256:[0-9a-f]+ name=alice\n"));
  EXPECT_EQ(RunBaton("key --name 'not a name'").exit_code, 2);
}

TEST(Baton, WarnsOfVariablesThatNameNoKey) {
  const Outcome outcome =
      RunBaton(std::string("serve --validate-config ") + kLocal, "BATON_ROUTER_PROT=8");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("BATON_ROUTER_PROT names no key"), EndsWith("OK\n")));
}

TEST(Baton, DoesNotServeAModelThatIsNotThere) {
  const Outcome outcome = RunBaton("serve --model /no/such/model");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.text, "baton: model: there is no folder /no/such/model\n");
}

TEST(Baton, ReportsWhatTheHostOffers) {
  const Outcome outcome = RunBaton(std::string("doctor ") + kLocal);
  EXPECT_THAT(outcome.text, AllOf(HasSubstr("host "), HasSubstr("cpu "), HasSubstr("transport "),
                                  HasSubstr("config "), HasSubstr("pair.bandwidth ")));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text;
}

TEST(Baton, TellsScriptsWhatIsWrongWithAHost) {
  const Outcome outcome =
      RunBaton(std::string("doctor --json --set workers.prefill.kv_memory=1000000GiB ") + kLocal);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.text, AllOf(StartsWith("{"), HasSubstr("\"healthy\": false")));
}

}  // namespace
}  // namespace baton::app
