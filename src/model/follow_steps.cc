#include <array>
#include <chrono>
#include <utility>

#include "baton/base/byte_reader.h"
#include "baton/model/node_steps.h"
#include "step_wire.h"

namespace baton::model {
namespace {

/// How often an asynchronous runner is asked what it has written.
constexpr Duration kPoll = std::chrono::microseconds(500);

class Follower {
 public:
  Follower(StepRunner& runner, nodes::Link& leader) : runner_(runner), leader_(leader) {}

  Status Run() {
    std::string ready;
    AppendNumber(ready, runner_.blocks());
    BATON_RETURN_IF_ERROR(leader_.Send(static_cast<uint32_t>(StepFrame::kReady), ready));
    while (true) {
      while (runner_.asynchronous() && begun_ > finished_ && !leader_.AwaitReadable(kPoll)) {
        runner_.Poll();
      }
      BATON_ASSIGN_OR_RETURN(const nodes::Frame frame, leader_.Receive());
      BATON_RETURN_IF_ERROR(Take(frame));
    }
  }

 private:
  static size_t Slot(uint64_t step) { return step % StepRunner::kMostUnderWay; }

  Status Take(const nodes::Frame& frame) {
    const auto kind = static_cast<StepFrame>(frame.kind);
    const uint64_t under_way = begun_ - finished_;
    if (kind == StepFrame::kBegin && under_way < StepRunner::kMostUnderWay) return Begin(frame);
    if (kind == StepFrame::kFinish && under_way > 0) return Finish();
    return DataLoss(leader_.peer() + " sends what makes no sense now");
  }

  Status Begin(const nodes::Frame& frame) {
    BATON_ASSIGN_OR_RETURN(const SentStep step,
                           DecodeStep(frame.body, runner_.limits(), runner_.blocks()));
    const uint64_t number = begun_++;
    written_[Slot(number)] = 0;
    StepRunner::OnLayers on_layers;
    if (step.announced) {
      on_layers = [this, number](int32_t, int32_t) {
        ++written_[Slot(number)];
        // A leader that is lost shows when the next frame is received.
        (void)Tell(StepFrame::kWritten, number);
      };
    }
    runner_.Begin(step.Input(), std::move(on_layers));
    return OkStatus();
  }

  Status Finish() {
    const Status finished = runner_.FinishAndWait().status();
    return Tell(StepFrame::kFinished, finished_++, finished);
  }

  Status Tell(StepFrame kind, uint64_t step, const Status& status = OkStatus()) {
    return leader_.Send(
        static_cast<uint32_t>(kind),
        EncodeProgress({.step = step, .written = written_[Slot(step)], .status = status}));
  }

  StepRunner& runner_;
  nodes::Link& leader_;
  uint64_t begun_ = 0;
  uint64_t finished_ = 0;
  /// Groups of layers of the steps under way.
  std::array<uint32_t, StepRunner::kMostUnderWay> written_{};
};

}  // namespace

Status FollowSteps(StepRunner& runner, nodes::Link& leader, collective::Communicator& group) {
  Status ended = Follower(runner, leader).Run();
  group.Abort(ended);
  return ended;
}

}  // namespace baton::model
