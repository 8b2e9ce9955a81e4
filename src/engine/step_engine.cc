#include "step_engine.h"

#include <algorithm>
#include <utility>

#include "baton/base/check.h"
#include "baton/base/logging.h"
#include "baton/base/units.h"

namespace baton::engine {
namespace {

/// How long the engine sleeps at most when there is nothing to do; posts wake it.
constexpr Duration kIdleWait = std::chrono::milliseconds(500);

scheduler::SchedulerOptions ForScheduler(const EngineOptions& options,
                                         const model::StepRunner& runner) {
  return {.step_tokens = options.step_tokens,
          .running_sequences = options.running_sequences,
          .waiting_sequences = options.waiting_sequences,
          .context_tokens = options.context_tokens,
          .block_tokens = runner.block_tokens(),
          .prefix_cache = options.prefix_cache};
}

int32_t TableBlocks(const EngineOptions& options, const model::StepRunner& runner) {
  return std::min(CeilDiv(options.context_tokens, runner.block_tokens()), runner.blocks());
}

cost::StepShape ShapeOf(const scheduler::StepPlan& plan) {
  cost::StepShape shape;
  for (const scheduler::Scheduled& scheduled : plan.batch) {
    const int32_t end = scheduled.begin + scheduled.count;
    if (scheduled.prefill) {
      shape += cost::PrefillShape(scheduled.begin, end);
    } else {
      shape += {.decode_sequences = 1, .decode_context = end};
    }
  }
  return shape;
}

bool Overlaps(const EngineOptions& options, const model::StepRunner& runner) {
  switch (options.overlap) {
    case Overlap::kNever: return false;
    case Overlap::kWhereItGains: return runner.asynchronous();
    case Overlap::kAlways: return true;
  }
  return false;
}

}  // namespace

StepEngine::StepEngine(const EngineOptions& options, const model::Model& model,
                       model::StepRunner& runner, EngineListener& listener, Clock& clock)
    : options_(options),
      model_(model),
      runner_(runner),
      listener_(listener),
      clock_(clock),
      submissions_(static_cast<size_t>(options.waiting_sequences)),
      // Submissions may fill part of the mailbox only: ends and releases of what is here already
      // must get through, at most a few for every sequence that can wait, run or hold blocks.
      mailbox_(submissions_ + 4 * (submissions_ + static_cast<size_t>(options.running_sequences) +
                                   static_cast<size_t>(runner.blocks()))),
      pool_(runner.blocks()),
      scheduler_(ForScheduler(options, runner), pool_),
      arrays_(options.step_tokens, options.running_sequences, TableBlocks(options, runner)),
      masks_(options.running_sequences, model.config().vocabulary, model.eos_tokens(),
             options.constraints),
      scorer_(model.config().vocabulary),
      sampler_(options.running_sequences, model.config().vocabulary),
      overlaps_(Overlaps(options, runner)),
      layer_group_(options.layer_group) {
  scheduler_.OnPrefixChange([this](kv::PrefixChange change) { prefix_changes_.push_back(change); });
  PublishStats();
}

bool StepEngine::Submit(Submission submission) {
  return mailbox_.size() < submissions_ && mailbox_.TrySend(std::move(submission));
}

bool StepEngine::Cancel(SequenceId sequence) { return mailbox_.TrySend(CancelCommand{sequence}); }

bool StepEngine::Commit(SequenceId sequence, TokenOutput first) {
  return mailbox_.TrySend(CommitCommand{sequence, std::move(first)});
}

bool StepEngine::FailHandoff(SequenceId sequence, Status status) {
  return mailbox_.TrySend(FailCommand{sequence, std::move(status)});
}

bool StepEngine::PrefillHere(SequenceId sequence) {
  return mailbox_.TrySend(PrefillHereCommand{sequence});
}

bool StepEngine::Inspect(std::function<void(std::vector<SequenceReport>)> then) {
  return mailbox_.TrySend(InspectCommand{std::move(then)});
}

bool StepEngine::Release(SequenceId sequence) { return mailbox_.TrySend(ReleaseCommand{sequence}); }

void StepEngine::Run(std::stop_token stop) {
  const std::stop_callback wake(stop, [this] { mailbox_.Close(); });
  while (!stop.stop_requested()) {
    if (Step()) continue;
    auto command = mailbox_.Receive(kIdleWait);
    if (!command) continue;
    std::visit([this](auto&& value) { Apply(std::forward<decltype(value)>(value)); },
               *std::move(command));
  }
  while (finished_ < begun_) FinishStep();
  FailAll(Unavailable("the worker is stopping"));
  PublishStats();
}

bool StepEngine::Step() {
  busy_ = true;
  TakeCommands();
  const bool under_way = finished_ < begun_;
  const bool begun = BeginStep();
  // The device goes on with the step that was begun while the host takes what the last one drew and
  // asks for what the next one shall draw.
  if (under_way) FinishStep();
  if (begun) DrawStep();
  if (begun && !overlaps_) FinishStep();
  if (!prefix_changes_.empty()) {
    listener_.OnPrefixChanges(prefix_changes_);
    prefix_changes_.clear();
  }
  PublishStats();
  busy_ = begun || under_way;
  ++turns_;
  return busy_;
}

bool StepEngine::BeginStep() {
  const scheduler::StepPlan& plan = scheduler_.Schedule();
  AnnounceAdmitted(plan.admitted);
  if (plan.batch.empty()) return false;
  const bool alone = finished_ == begun_;
  UnderWay& step = At(begun_++);
  step.plan = plan;
  step.shape = ShapeOf(plan);
  step.has_masks = alone;
  if (alone) {
    listener_.OnStepBegin(step.begin = clock_.Now());
    masks_.Begin(plan);
  }
  model::StepInput input = arrays_.Fill(plan, layer_group_);
  input.scored = scorer_.Rows(plan);
  const bool hands_off = std::any_of(plan.batch.begin(), plan.batch.end(), [](const auto& entry) {
    return entry.sequence->prefill_only;
  });
  model::StepRunner::OnLayers on_layers;
  if (hands_off) {
    on_layers = [&](int32_t begin, int32_t end) { AnnounceLayers(step.plan, begin, end); };
  }
  runner_.Begin(input, std::move(on_layers));
  return true;
}

void StepEngine::DrawStep() {
  UnderWay& step = At(begun_ - 1);
  // Those that follow a step under way need its tokens.
  if (!step.has_masks) masks_.Begin(step.plan);
  AwaitMasks();
  if (step.plan.draws > 0) runner_.Draw(sampler_.Rows(step.plan, masks_));
}

void StepEngine::FinishStep() {
  UnderWay& step = At(finished_);
  const Result<model::StepOutput> output = runner_.FinishAndWait();
  ++finished_;
  scheduler_.Finished(step.plan);
  output.ok() ? Take(step.plan, *output) : FailStep(step.plan, output.status());
  std::erase_if(ending_, [&](const std::unique_ptr<Sequence>& sequence) {
    if (sequence->under_way > 0) return false;
    scheduler_.Release(*sequence);
    return true;
  });
  const TimePoint end = clock_.Now();
  const Duration took = end - step.begin;
  counters_.step_seconds += Seconds(took);
  if (step.shape.prefill_tokens > 0) counters_.prefill_seconds += Seconds(took);
  ++counters_.steps;
  listener_.OnStepEnd(step.shape, took);
  if (finished_ < begun_) listener_.OnStepBegin(At(finished_).begin = end);
}

void StepEngine::FailStep(const scheduler::StepPlan& plan, const Status& status) {
  BATON_LOG(Error) << "a step failed: " << status;
  for (const scheduler::Scheduled& scheduled : plan.batch) {
    if (scheduled.runs()) Fail(*scheduled.sequence, status);
  }
}

void StepEngine::Take(const scheduler::StepPlan& plan, const model::StepOutput& output) {
  scorer_.Take(plan, output.scored);
  counters_.prompt_tokens += plan.prefill_tokens;
  size_t row = 0;
  for (const scheduler::Scheduled& scheduled : plan.batch) {
    const size_t drawn = row;
    if (scheduled.draws) ++row;
    // One that has ended, perhaps with the step before, drew this token in vain.
    if (!scheduled.runs()) continue;
    scheduled.draws ? TakeDrawn(scheduled, output.drawn, drawn) : scheduler_.Advance(scheduled);
  }
}

void StepEngine::TakeDrawn(const scheduler::Scheduled& scheduled, const model::SampledRows& drawn,
                           size_t i) {
  Sequence& sequence = *scheduled.sequence;
  if (Status status = masks_.status(i); !status.ok()) {
    scheduler_.Advance(scheduled);
    return Fail(sequence, std::move(status));
  }
  if (drawn.tokens[i].token < 0) {
    BATON_LOG(Error) << "sequence " << Index(sequence.id) << " at position " << sequence.size()
                     << " has no finite logit: the device or the weights are damaged";
    return Fail(sequence, Internal("the model computed no finite logit").WithBlast(Blast::kWorker));
  }
  scheduler_.Advance(scheduled);
  TokenOutput output = sampler_.Output(sequence, drawn, i);
  output.prompt_logprobs = std::move(sequence.prompt_logprobs);
  if (sequence.sampling.max_tokens == 0) return EndScored(sequence, std::move(output));
  ++counters_.generated_tokens;
  Accept(sequence, std::move(output));
}

void StepEngine::AwaitMasks() {
  const TimePoint computed = clock_.Now();
  if (!masks_.Wait()) return;
  counters_.mask_wait_seconds += Seconds(clock_.Now() - computed);
  counters_.masks = masks_.masks();
  counters_.mask_cpu_seconds = masks_.cpu_seconds();
}

void StepEngine::AnnounceAdmitted(const std::vector<Sequence*>& admitted) {
  for (Sequence* sequence : admitted) {
    const bool reserved = sequence->state == scheduler::SequenceState::kReserved;
    if (!reserved && !sequence->prefill_only) continue;
    listener_.OnBlocks(sequence->id,
                       {.blocks = sequence->blocks.blocks(), .cached_tokens = sequence->computed});
    if (sequence->prefill_only && sequence->computed > 0) {
      listener_.OnKvReady(sequence->id, 0, model_.config().layers, sequence->computed);
    }
  }
}

void StepEngine::AnnounceLayers(const scheduler::StepPlan& plan, int32_t begin, int32_t end) {
  for (const auto& scheduled : plan.batch) {
    if (!scheduled.sequence->prefill_only || !scheduled.runs()) continue;
    listener_.OnKvReady(scheduled.sequence->id, begin, end, scheduled.begin + scheduled.count);
  }
}

FinishReason StepEngine::FinishOf(const Sequence& sequence) const {
  const TokenId token = sequence.tokens.back();
  const auto ends = [&](const std::vector<TokenId>& tokens) {
    return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
  };
  if (ends(sequence.sampling.stop_token_ids)) return FinishReason::kStop;
  // Where the grammar had such a token drawn in spite of ignore_eos, nothing else can come.
  const bool eos_ends = !sequence.sampling.ignore_eos || sequence.grammar != nullptr;
  if (eos_ends && ends(model_.eos_tokens())) return FinishReason::kStop;
  if (sequence.size() >= sequence.max_total_tokens) return FinishReason::kLength;
  return FinishReason::kNone;
}

void StepEngine::EndScored(Sequence& sequence, TokenOutput output) {
  const SequenceId id = sequence.id;
  End(sequence);
  listener_.OnToken(id, {.token = kNoToken,
                         .position = output.position,
                         .finish = FinishReason::kLength,
                         .prompt_logprobs = std::move(output.prompt_logprobs)});
}

void StepEngine::Accept(Sequence& sequence, TokenOutput output) {
  const SequenceId id = sequence.id;
  sequence.tokens.push_back(output.token);
  output.finish = FinishOf(sequence);
  if (sequence.prefill_only) {
    scheduler_.Hold(sequence);
    return listener_.OnPrefilled(id, std::move(output));
  }
  if (output.finish != FinishReason::kNone) End(sequence);
  listener_.OnToken(id, std::move(output));
}

void StepEngine::End(Sequence& sequence) {
  using scheduler::SequenceState;
  switch (sequence.state) {
    case SequenceState::kReserved: return scheduler_.Quarantine(sequence);
    case SequenceState::kHeld: return;
    case SequenceState::kRunning:
      if (sequence.prefill_only) return scheduler_.Hold(sequence);
      break;
    case SequenceState::kWaiting: break;
  }
  Forget(sequence);
}

void StepEngine::Forget(Sequence& sequence) {
  using scheduler::SequenceState;
  const auto found = sequences_.find(sequence.id);
  if (sequence.under_way > 0) {
    if (sequence.state == SequenceState::kRunning) scheduler_.Hold(sequence);
    ending_.push_back(std::move(found->second));
  } else if (sequence.state == SequenceState::kHeld) {
    scheduler_.Release(sequence);
  } else {
    scheduler_.Finish(sequence);
  }
  sequences_.erase(found);
}

void StepEngine::Fail(Sequence& sequence, Status status) {
  const SequenceId id = sequence.id;
  End(sequence);
  listener_.OnFailed(id, std::move(status));
}

void StepEngine::FailAll(const Status& status) {
  TakeCommands();
  std::vector<Sequence*> all;
  for (const auto& [id, sequence] : sequences_) all.push_back(sequence.get());
  for (Sequence* sequence : all) {
    if (sequence->state != scheduler::SequenceState::kHeld) Fail(*sequence, status);
  }
}

void StepEngine::PublishStats() {
  const kv::BlockCounts& blocks = pool_.counts();
  counters_.running = scheduler_.running();
  counters_.waiting = scheduler_.waiting();
  const scheduler::SchedulerBacklog backlog = scheduler_.backlog();
  counters_.prefill_tokens_ahead = backlog.prefill_tokens;
  counters_.decode_sequences = backlog.decode_sequences;
  counters_.decode_context = backlog.decode_context;
  counters_.blocks_free = blocks.free;
  counters_.blocks_used = blocks.used;
  counters_.blocks_cached = blocks.cached;
  counters_.blocks_quarantined = blocks.quarantined;
  counters_.prefix_hit_tokens = scheduler_.prefix_hit_tokens();
  counters_.preemptions = scheduler_.preemptions();
  stats_.Post(counters_);
}

}  // namespace baton::engine
