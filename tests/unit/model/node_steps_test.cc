#include "baton/model/node_steps.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "step_wire.h"
#include "support/link_pair.h"

namespace baton::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr StepLimits kLimits{.step_tokens = 64, .sequences = 8, .context_tokens = 256};
constexpr int32_t kBlocks = 16;

/// A group that notes why it ended.
class NotedGroup final : public collective::Communicator {
 public:
  int32_t rank() const override { return 0; }
  int32_t ranks() const override { return 2; }
  void AllReduce(const collective::AllReduceParams&, device::Stream&) override {}
  void Gather(const collective::GatherParams&, device::Stream&) override {}
  void Broadcast(const collective::BroadcastParams&, device::Stream&) override {}
  void Abort(Status reason) override {
    if (ended_.ok()) ended_ = std::move(reason);
  }
  Status status() const override { return ended_; }

 private:
  Status ended_;
};

/// Computes nothing, and notes what it is asked for.
class NotedRunner final : public StepRunner {
 public:
  explicit NotedRunner(int32_t blocks = kBlocks) : blocks_(blocks) {}
  const StepLimits& limits() const override { return kLimits; }
  int32_t blocks() const override { return blocks_; }
  int32_t block_tokens() const override { return 16; }
  bool asynchronous() const override { return false; }
  Status RecordAndWait(const OnRecorded&) override { return OkStatus(); }
  void Begin(const StepInput& input, OnLayers on_layers) override {
    tokens.assign(input.tokens.begin(), input.tokens.end());
    table.assign(input.sequences.block_tables, input.sequences.block_tables + 2);
    drawn = input.drawn.empty() ? -1 : input.drawn.front().draw;
    layer_group = input.layer_group;
    if (!on_layers) return;
    on_layers(0, 2);
    on_layers(2, 4);
  }
  void Draw(std::span<const ops::SampleRow>) override {}
  void Poll() override {}
  Result<StepOutput> FinishAndWait() override {
    ++finished;
    if (!failure.ok()) return failure;
    return StepOutput{};
  }

  std::vector<TokenId> tokens;
  std::vector<int32_t> table;
  int32_t drawn = -1;
  int32_t layer_group = 0;
  int finished = 0;
  Status failure;

 private:
  const int32_t blocks_;
};

/// A leader, and a follower on a thread.
class NodeSteps : public testing::Test {
 protected:
  void Start() {
    std::tie(here_, there_) = nodes::MakeLinkPair();
    follower_ = std::jthread([this] { followed_ = FollowSteps(theirs_, *there_, their_group_); });
    auto made = MakeLeaderRunner(std::make_unique<NotedRunner>(), {here_}, group_);
    ASSERT_TRUE(made.ok()) << made.status();
    leader_ = *std::move(made);
  }
  void TearDown() override {
    if (here_) here_->Shutdown();
  }
  void Begin(StepRunner::OnLayers on_layers = {}) {
    leader_->Begin({.tokens = tokens_,
                    .drawn = drawn_,
                    .sequences = {.query_begin = query_begin_,
                                  .kv_tokens = &query_begin_[1],
                                  .block_tables = table_,
                                  .table_stride = 2,
                                  .S = 1,
                                  .T = 3},
                    .logit_rows = rows_,
                    .layer_group = 2},
                   std::move(on_layers));
  }

  const std::vector<TokenId> tokens_{5, 6, 7};
  const std::vector<DrawnToken> drawn_{{.row = 1, .draw = 4}};
  const int32_t query_begin_[2] = {0, 3};
  const int32_t table_[2] = {3, 9};
  const std::vector<int32_t> rows_{2};
  std::shared_ptr<nodes::Link> here_;
  std::shared_ptr<nodes::Link> there_;
  NotedGroup group_;
  NotedGroup their_group_;
  NotedRunner theirs_{12};
  Status followed_;
  std::unique_ptr<StepRunner> leader_;
  std::jthread follower_;
};

TEST_F(NodeSteps, AFollowerTakesTheStepThatTheLeaderTakes) {
  Start();
  Begin();
  ASSERT_TRUE(leader_->FinishAndWait().ok());
  EXPECT_THAT(theirs_.tokens, ElementsAre(5, 6, 7));
  EXPECT_THAT(theirs_.table, ElementsAre(3, 9));
  EXPECT_EQ(theirs_.drawn, 4);
  EXPECT_EQ(theirs_.layer_group, 2);
  EXPECT_EQ(theirs_.finished, 1);
}

TEST_F(NodeSteps, HasTheBlocksThatAllNodesHave) {
  Start();
  EXPECT_EQ(leader_->blocks(), 12);
}

TEST_F(NodeSteps, TellsOfLayersOnceEachAndInOrder) {
  Start();
  for (int step = 0; step < 50; ++step) {
    std::vector<std::pair<int32_t, int32_t>> written;
    Begin([&](int32_t begin, int32_t end) { written.emplace_back(begin, end); });
    ASSERT_TRUE(leader_->FinishAndWait().ok());
    ASSERT_THAT(written, ElementsAre(Pair(0, 2), Pair(2, 4)));
  }
}

TEST(LeaderRunner, TellsOfNoLayersThatAFollowerHasNotWritten) {
  NotedGroup group;
  const auto [here, there] = nodes::MakeLinkPair();
  ASSERT_TRUE(there->Send(static_cast<uint32_t>(StepFrame::kReady), std::string(4, '\1')).ok());
  const auto leader = *MakeLeaderRunner(std::make_unique<NotedRunner>(), {here}, group);
  const int32_t query_begin[] = {0, 1};
  const int32_t table[] = {0, 0};
  const TokenId token = 1;
  int written = 0;
  leader->Begin({.tokens = {&token, 1},
                 .sequences = {.query_begin = query_begin,
                               .kv_tokens = &query_begin[1],
                               .block_tables = table,
                               .table_stride = 2,
                               .S = 1,
                               .T = 1}},
                [&](int32_t, int32_t) { ++written; });
  leader->Poll();
  EXPECT_EQ(written, 0);
  ASSERT_TRUE(there
                  ->Send(static_cast<uint32_t>(StepFrame::kWritten),
                         EncodeProgress({.step = 0, .written = 1, .status = {}}))
                  .ok());
  leader->Poll();
  EXPECT_EQ(written, 1);
}

TEST_F(NodeSteps, FailsAsAWorkerNamingTheNodeThatFailed) {
  theirs_.failure = Unavailable("the device has fallen off the bus");
  Start();
  Begin();
  const Status failed = leader_->FinishAndWait().status();
  EXPECT_EQ(failed.blast(), Blast::kWorker);
  EXPECT_THAT(failed.message(), HasSubstr("node 1: the device has fallen off the bus"));
  EXPECT_EQ(group_.status().message(), failed.message());
}

TEST_F(NodeSteps, FailsWhenAFollowerIsLost) {
  Start();
  there_->Shutdown();
  Begin();
  EXPECT_THAT(leader_->FinishAndWait().status().message(), HasSubstr("node 1 is lost"));
  EXPECT_FALSE(group_.status().ok());
}

TEST_F(NodeSteps, EndTheFollowersGroupWithTheirLink) {
  Start();
  here_->Shutdown();
  follower_.join();
  EXPECT_THAT(followed_.message(), HasSubstr("node 0 is lost"));
  EXPECT_EQ(their_group_.status(), followed_);
}

TEST(StepWire, RefusesWhatDoesNotFit) {
  const int32_t query_begin[] = {0, 1};
  const int32_t table[] = {3, 9};
  const TokenId token = 1;
  std::string bytes;
  EncodeStep({.tokens = {&token, 1},
              .sequences = {.query_begin = query_begin,
                            .kv_tokens = &query_begin[1],
                            .block_tables = table,
                            .table_stride = 2,
                            .S = 1,
                            .T = 1}},
             true, bytes);
  EXPECT_TRUE(DecodeStep(bytes, kLimits, 10)->announced);
  EXPECT_FALSE(DecodeStep(bytes, kLimits, 9).ok()) << "a block beyond the cache";
  EXPECT_FALSE(DecodeStep(bytes, {.step_tokens = 0, .sequences = 8}, 10).ok());
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_FALSE(DecodeStep(bytes.substr(0, cut), kLimits, 10).ok());
  }
}

}  // namespace
}  // namespace baton::model
