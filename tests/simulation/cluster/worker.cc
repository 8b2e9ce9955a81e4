#include "worker.h"

#include <gtest/gtest.h>

namespace baton::simulation {
namespace {

/// How long a main thread gets no turn between seeing that nothing is under way and saying so: what
/// others offer meanwhile must not be taken.
constexpr Duration kUnscheduled = std::chrono::milliseconds(50);

}  // namespace

SimulatedWorker::SimulatedWorker(const Surroundings& surroundings, worker::WorkerOptions options)
    : surroundings_(surroundings), options_(std::move(options)) {
  Start();
}

SimulatedWorker::~SimulatedWorker() {
  if (alive()) Kill();
}

void SimulatedWorker::Start() {
  endpoint_ = options_.name + "/" + std::to_string(++incarnation_);
  process_ = surroundings_.rpc.Start(options_.name);
  transport_ = surroundings_.network.MakeEndpoint(endpoint_);
  stage_ = Stage::kServing;
  drained_at_.reset();
  auto core = worker::WorkerCore::Create(
      options_,
      {.model = surroundings_.oracle.model(),
       .transport = *transport_,
       .ops = Oracle::ops(),
       .dial =
           [this](const std::string& address) { return surroundings_.rpc.Dial(process_, address); },
       .on_sick = [](const Status& status) { ADD_FAILURE() << "sick: " << status; },
       .clock = surroundings_.clock,
       .calibrate = [this](const auto&, auto&) { return Calibration(); }});
  ASSERT_TRUE(core.ok()) << core.status();
  core_ = *std::move(core);
  surroundings_.rpc.Serve(process_, *core_, options_.status_interval);
}

/// Steps take no time here, so that a router learns no more than this: some incarnations claim that
/// prompts take long, some that sequences do, so that it decides for each way.
std::vector<cost::StepSample> SimulatedWorker::Calibration() const {
  constexpr double kPromptTokenMs[] = {0.01, 1, 10};
  const double token_ms = kPromptTokenMs[(options_.name.size() + options_.name.back() +
                                          static_cast<size_t>(incarnation_)) %
                                         3];
  std::vector<cost::StepSample> samples;
  for (int64_t i = 1; i <= 8; ++i) {
    for (const cost::StepShape& shape :
         {cost::PrefillShape(0, 4 * i), cost::StepShape{.decode_sequences = i}}) {
      const double ms = 0.1 + token_ms * static_cast<double>(shape.prefill_tokens) +
                        static_cast<double>(shape.decode_sequences);
      samples.push_back({.number = samples.size() + 1,
                         .shape = shape,
                         .took = Duration(static_cast<int64_t>(1e6 * ms))});
    }
  }
  return samples;
}

void SimulatedWorker::Kill() {
  preemptions_ = preemptions();
  commits_ = commits();
  surroundings_.rpc.Kill(process_);
  surroundings_.network.Kill(endpoint_);
  core_.reset();
  transport_.reset();
  frozen_until_.reset();
  wedged_until_.reset();
}

void SimulatedWorker::Wedge(Duration duration) {
  wedged_until_ = surroundings_.clock.Now() + duration;
}

void SimulatedWorker::Freeze(Duration duration) {
  frozen_until_ = surroundings_.clock.Now() + duration;
  surroundings_.rpc.Freeze(process_);
}

void SimulatedWorker::Thaw() {
  frozen_until_.reset();
  surroundings_.rpc.Thaw(process_);
}

void SimulatedWorker::Stop(Duration drain) {
  stage_ = Stage::kDraining;
  deadline_ = surroundings_.clock.Now() + drain;
  core_->StartDraining(drain);
}

void SimulatedWorker::TransportTurn(int most_work) {
  core_->transport_thread().TakeTurn([this](TimePoint now) { return core_->Turn(now); }, most_work);
}

void SimulatedWorker::ExpectNothingTaken() const {
  const handoff::PrefillSideStats prefill = core_->prefill_side().Stats();
  EXPECT_EQ(prefill.queued + prefill.prefilling + prefill.flushing + prefill.aborting, 0)
      << options_.name << " goes with KV that is to be sent";
}

void SimulatedWorker::MainTurn() {
  if (!alive()) return;
  const TimePoint now = surroundings_.clock.Now();
  if (frozen()) {
    if (now >= *frozen_until_) Thaw();
    return;
  }
  if (wedged() && now >= *wedged_until_) Unwedge();
  switch (stage_) {
    case Stage::kServing: return;
    case Stage::kDraining:
      if (!drained_at_ && core_->drained()) drained_at_ = now;
      if (now < (drained_at_ ? *drained_at_ + kUnscheduled : deadline_)) return;
      if (drained_at_) ExpectNothingTaken();
      surroundings_.rpc.StopServing(process_);
      core_->LeavePeers();
      stage_ = Stage::kLeaving;
      deadline_ = now + std::chrono::seconds(2);
      return;
    case Stage::kLeaving:
      if (core_->left() || now >= deadline_) Kill();
  }
}

bool SimulatedWorker::AtRest() const {
  const engine::EngineStats stats = engine().Stats();
  const auto decode = core_->decode_side().Stats();
  const auto prefill = core_->prefill_side().Stats();
  return core_->streams() == 0 && engine().sequences().empty() && quiet() && stats.running == 0 &&
         stats.waiting == 0 && stats.blocks_used == 0 && stats.blocks_quarantined == 0 &&
         decode.offered + decode.aborting + decode.quarantined == 0 &&
         prefill.queued + prefill.prefilling + prefill.flushing + prefill.aborting == 0;
}

}  // namespace baton::simulation
