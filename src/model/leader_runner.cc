#include <algorithm>
#include <array>
#include <utility>

#include "announced_layers.h"
#include "baton/base/byte_reader.h"
#include "baton/base/check.h"
#include "baton/model/node_steps.h"
#include "step_wire.h"

namespace baton::model {
namespace {

uint32_t Kind(StepFrame frame) { return static_cast<uint32_t>(frame); }

/// What the leader knows of another node.
struct Follower {
  std::shared_ptr<nodes::Link> link;
  /// Of the steps under way, by step.
  std::array<uint32_t, StepRunner::kMostUnderWay> written{};
  uint64_t finished = 0;
};

class Runner final : public StepRunner {
 public:
  Runner(std::unique_ptr<StepRunner> own, std::vector<Follower> followers, int32_t blocks,
         collective::Communicator& group)
      : own_(std::move(own)), followers_(std::move(followers)), blocks_(blocks), group_(group) {}

  const StepLimits& limits() const override { return own_->limits(); }
  int32_t blocks() const override { return blocks_; }
  int32_t block_tokens() const override { return own_->block_tokens(); }
  bool asynchronous() const override { return own_->asynchronous(); }

  Status RecordAndWait(const OnRecorded& /*on_recorded*/) override { return OkStatus(); }
  void Begin(const StepInput& input, OnLayers on_layers) override;
  void Draw(std::span<const ops::SampleRow> rows) override { own_->Draw(rows); }
  void Poll() override {
    own_->Poll();
    Announce();
  }
  Result<StepOutput> FinishAndWait() override;

 private:
  static size_t Slot(uint64_t step) { return step % kMostUnderWay; }
  void Tell(StepFrame frame, const std::string& body);
  Status Hear(Follower& follower);
  void Announce();
  /// From here on every step fails, and no rank waits for another.
  void Fail(Status status) {
    if (!failed_.ok()) return;
    failed_ = std::move(status);
    group_.Abort(failed_);
  }

  const std::unique_ptr<StepRunner> own_;
  std::vector<Follower> followers_;
  const int32_t blocks_;
  collective::Communicator& group_;
  /// Of the steps under way, as this node writes them.
  std::array<AnnouncedLayers, kMostUnderWay> layers_;
  uint64_t begun_ = 0;
  uint64_t finished_ = 0;
  std::string encoded_;
  Status failed_;
};

void Runner::Tell(StepFrame frame, const std::string& body) {
  for (const Follower& follower : followers_) {
    if (Status sent = follower.link->Send(Kind(frame), body); !sent.ok()) Fail(std::move(sent));
  }
}

void Runner::Begin(const StepInput& input, OnLayers on_layers) {
  BATON_CHECK(begun_ - finished_ < layers_.size());
  const uint64_t number = begun_++;
  AnnouncedLayers& layers = layers_[Slot(number)];
  layers.Begin(std::move(on_layers));
  for (Follower& follower : followers_) follower.written[Slot(number)] = 0;
  EncodeStep(input, layers.wanted(), encoded_);
  Tell(StepFrame::kBegin, encoded_);
  OnLayers written;
  if (layers.wanted()) {
    written = [this, &layers](int32_t begin, int32_t end) {
      layers.Add(begin, end);
      Announce();
    };
  }
  own_->Begin(input, std::move(written));
  Announce();
}

/// Takes one frame, and waits for it.
Status Runner::Hear(Follower& follower) {
  BATON_ASSIGN_OR_RETURN(const nodes::Frame frame, follower.link->Receive());
  BATON_ASSIGN_OR_RETURN(const StepProgress progress, DecodeProgress(frame.body));
  if (progress.step < finished_ || progress.step >= begun_) {
    return DataLoss(follower.link->peer() + " tells of a step that is not under way");
  }
  if (!progress.status.ok()) return Status(progress.status).WithContext(follower.link->peer());
  follower.written[Slot(progress.step)] = progress.written;
  if (frame.kind == Kind(StepFrame::kFinished)) follower.finished = progress.step + 1;
  return OkStatus();
}

/// Nodes go through groups and steps in order, so that none of a later step is written by all
/// before those of an earlier one.
void Runner::Announce() {
  if (!failed_.ok()) return;
  for (Follower& follower : followers_) {
    while (follower.link->AwaitReadable(Duration::zero())) {
      if (Status heard = Hear(follower); !heard.ok()) return Fail(std::move(heard));
    }
  }
  for (uint64_t i = finished_; i < begun_; ++i) {
    AnnouncedLayers& layers = layers_[Slot(i)];
    size_t written = layers.written();
    for (const Follower& follower : followers_) {
      written = std::min<size_t>(written, follower.written[Slot(i)]);
    }
    layers.AnnounceUpTo(written);
  }
}

Result<StepOutput> Runner::FinishAndWait() {
  BATON_CHECK(finished_ < begun_);
  Tell(StepFrame::kFinish, {});
  const Result<StepOutput> output = own_->FinishAndWait();
  for (Follower& follower : followers_) {
    while (failed_.ok() && output.ok() && follower.finished <= finished_) {
      if (Status heard = Hear(follower); !heard.ok()) Fail(std::move(heard));
    }
  }
  Announce();
  ++finished_;
  if (!failed_.ok()) return Status(failed_).WithBlast(Blast::kWorker);
  return output;
}

/// The blocks of a follower that says it is ready.
Result<int32_t> AwaitReady(nodes::Link& follower) {
  BATON_ASSIGN_OR_RETURN(const nodes::Frame frame, follower.Receive());
  ByteReader reader{frame.body};
  const auto blocks = reader.Number<int32_t>();
  if (frame.kind != Kind(StepFrame::kReady) || !reader.AtEnd()) {
    return DataLoss(follower.peer() + " does not say that it is ready");
  }
  return blocks;
}

}  // namespace

Result<std::unique_ptr<StepRunner>> MakeLeaderRunner(
    std::unique_ptr<StepRunner> own, std::vector<std::shared_ptr<nodes::Link>> followers,
    collective::Communicator& group) {
  int32_t blocks = own->blocks();
  std::vector<Follower> known;
  for (auto& link : followers) {
    BATON_ASSIGN_OR_RETURN(const int32_t has, AwaitReady(*link));
    blocks = std::min(blocks, has);
    known.push_back({.link = std::move(link)});
  }
  return std::unique_ptr<StepRunner>(
      std::make_unique<Runner>(std::move(own), std::move(known), blocks, group));
}

}  // namespace baton::model
