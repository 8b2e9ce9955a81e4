#include <cstdlib>
#include <fstream>
#include <functional>

#include <gtest/gtest.h>
#include <signal.h>

#include "support/held_thread.h"
#include "support/load_loop.h"
#include "support/served_baton.h"
#include "support/tiny_model.h"

/// Workers that are killed, told to end, or stuck, while clients stream: no request fails, and each
/// answer is what it would have been.
namespace baton::test {
namespace {

using std::chrono::seconds;

constexpr int kClients = 12;

/// All that must go on where it was: sampling by position, stop strings that a cut would divide,
/// log-probabilities, penalties, a grammar.
std::vector<CompletionBody> Bodies() {
  std::vector<CompletionBody> bodies = RandomCompletions(31, 48, 120);
  for (size_t i = 0; i < bodies.size(); ++i) {
    CompletionBody& body = bodies[i];
    body.max_tokens = 150;
    body.ignore_eos = true;
    body.stream = i % 4 != 0;
    switch (i % 6) {
      case 1: body.more = R"("stop": ["q z x", "the river code"])"; break;
      case 2:
        body.more = R"("frequency_penalty": 0.7, "repetition_penalty": 1.2, "top_k": 40)";
        break;
      case 3:
        body.more = R"("response_format": {"type": "json_schema", "json_schema": {"name": "list",
            "schema": {"type": "array", "items": {"type": "integer"}, "minItems": 40}}})";
        break;
      case 4: body.more = R"("logit_bias": {"40": 3, "41": -5}, "min_tokens": 60)"; break;
      default: break;
    }
  }
  return bodies;
}

class Resume : public testing::Test {
 protected:
  void Serve(ServedOptions options) {
    server_ = std::make_unique<ServedBaton>(options);
    ASSERT_TRUE(server_->WaitReady());
    expected_ = CompleteAll(server_->port(), bodies_, 4);
    for (const Outcome& outcome : expected_) {
      ASSERT_TRUE(outcome.complete && outcome.error.empty()) << outcome.error;
    }
  }
  /// What clients get while `disturb` is done to the server is what they got before.
  void ExpectUndisturbed(const std::function<void()>& disturb) {
    const double before = Tokens();
    LoadLoop load(server_->port(), bodies_, kClients);
    EXPECT_TRUE(ServedBaton::Until([&] { return Tokens() > before + 300; }, seconds(60)));
    disturb();
    const size_t answered = load.answers().size();
    EXPECT_TRUE(ServedBaton::Until([&] { return load.answers().size() > answered + 2 * kClients; },
                                   seconds(120)));
    const std::vector<LoadLoop::Answer> answers = load.Stop();
    for (const LoadLoop::Answer& answer : answers) Check(answer);
    if (HasFailure()) std::cerr << server_->log();
    EXPECT_TRUE(server_->WaitIdle()) << server_->log();
  }
  void Check(const LoadLoop::Answer& answer) const {
    const Outcome& expected = expected_[answer.body];
    SCOPED_TRACE(bodies_[answer.body].ToJson().substr(0, 200));
    EXPECT_TRUE(answer.finished()) << answer.outcome.status << " " << answer.outcome.error;
    EXPECT_EQ(answer.outcome.text, expected.text);
    EXPECT_EQ(answer.outcome.logprobs, expected.logprobs);
    EXPECT_EQ(answer.outcome.finish_reason, expected.finish_reason);
  }

  double Tokens() const { return server_->Metric("baton_router_output_tokens_total"); }
  double Resumed() const {
    return server_->Metric("baton_resumes_total") + server_->Metric("baton_retries_total");
  }
  /// Signals a worker and waits for the one that is started in its place to serve.
  void EndAndAwait(const std::string& worker, int signal) {
    const pid_t pid = server_->WorkerPid(worker);
    ASSERT_GT(pid, 0);
    kill(pid, signal);
    AwaitAnother(worker, pid);
  }
  void AwaitAnother(const std::string& worker, pid_t pid) {
    EXPECT_TRUE(ServedBaton::Until(
        [&] { return server_->WorkerPid(worker) > 0 && server_->WorkerPid(worker) != pid; },
        seconds(60)))
        << server_->log();
    const std::string label = "worker=\"" + worker + "\"";
    EXPECT_TRUE(ServedBaton::Until([&] { return server_->Metric("baton_kv_blocks", {label}) > 0; },
                                   seconds(60)))
        << server_->log();
  }

  const std::vector<CompletionBody> bodies_ = Bodies();
  std::vector<Outcome> expected_;
  std::unique_ptr<ServedBaton> server_;
};

TEST_F(Resume, AKilledDecodeWorkerIsNotNoticed) {
  Serve({.prefill = 2, .decode = 2});
  ExpectUndisturbed([&] { EndAndAwait("d0", SIGKILL); });
  EXPECT_GT(Resumed(), 0);
}

TEST_F(Resume, AKilledPrefillWorkerIsNotNoticed) {
  Serve({.prefill = 2, .decode = 2});
  ExpectUndisturbed([&] { EndAndAwait("p0", SIGKILL); });
}

TEST_F(Resume, TheOnlyDecodeWorkerMayBeKilled) {
  Serve({});
  ExpectUndisturbed([&] { EndAndAwait("d0", SIGKILL); });
  EXPECT_GT(Resumed(), 0);
}

TEST_F(Resume, TheOnlyWorkerMayBeKilled) {
  Serve({.prefill = 0, .decode = 0, .mixed = 1});
  ExpectUndisturbed([&] { EndAndAwait("m0", SIGKILL); });
  EXPECT_GT(Resumed(), 0);
}

/// Workers of two nodes, which end as one.
ServedOptions OverNodes() {
  return {.prefill = 1,
          .decode = 2,
          .arguments = {"--set", "workers.decode.tensor_parallel=2", "--set",
                        "workers.decode.nodes=2", "--set", "workers.prefill.tensor_parallel=2"}};
}

TEST_F(Resume, AKilledNodeOfAWorkerIsNotNoticed) {
  Serve(OverNodes());
  const pid_t leader = server_->WorkerPid("d0");
  ExpectUndisturbed([&] {
    kill(server_->WorkerPid("d0.1"), SIGKILL);
    AwaitAnother("d0", leader);
  });
  EXPECT_GT(Resumed(), 0);
}

TEST_F(Resume, AKilledLeaderOfAWorkersNodesIsNotNoticed) {
  Serve(OverNodes());
  ExpectUndisturbed([&] { EndAndAwait("d0", SIGKILL); });
  EXPECT_GT(Resumed(), 0);
}

TEST_F(Resume, AllWorkersMayBeRestartedOneAfterTheOther) {
  Serve({.prefill = 2, .decode = 2});
  ExpectUndisturbed([&] {
    for (const char* worker : {"p0", "d0", "p1", "d1"}) EndAndAwait(worker, SIGTERM);
  });
}

TEST_F(Resume, AWorkerThatMustEndBeforeItsStreamsHandsThemOver) {
  Serve({.prefill = 2, .decode = 2, .yaml = "timeouts: {drain: 60ms}\n"});
  ExpectUndisturbed([&] { EndAndAwait("d0", SIGTERM); });
  EXPECT_GT(server_->Metric("baton_resumes_total", {"cause=\"drain\""}), 0) << server_->log();
}

TEST_F(Resume, AWorkerWhoseEngineIsStuckEndsAndItsStreamsGoOn) {
  Serve({.prefill = 1, .decode = 2, .yaml = "timeouts: {worker_progress: 2s}\n"});
  const pid_t pid = server_->WorkerPid("d0");
  ExpectUndisturbed([&] {
    {
      const HeldThread engine(pid, "engine");
      if (!engine.held()) GTEST_SKIP() << engine.why();
      EXPECT_TRUE(server_->WaitLog("this worker is stuck and ends: its engine thread"));
    }
    AwaitAnother("d0", pid);
  });
  if (IsSkipped()) return;
  EXPECT_GT(Resumed(), 0);
}

TEST(Chaos, KillsWorkersUnderLoadAndNoAnswerChanges) {
  const testing_support::TemporaryFolder folder;
  const std::string source = BATON_SOURCE_DIR;
  const std::string command = source + "/bench/serving/chaos.py --baton " + BATON_BINARY_DIR +
                              "/bin/baton --seconds 12 --every 2 --rate 10 --log " +
                              (folder.path() / "log").string();
  EXPECT_EQ(std::system(command.c_str()), 0) << std::ifstream(folder.path() / "log").rdbuf();
}

}  // namespace
}  // namespace baton::test
