// What other threads posted, applied on the engine thread between two steps.
#include <utility>

#include "baton/base/check.h"
#include "step_engine.h"

namespace baton::engine {

using scheduler::SequenceState;

void StepEngine::TakeCommands() {
  // Those that are here now, so that a busy sender cannot keep the engine from its next step.
  for (size_t count = mailbox_.size(); count > 0; --count) {
    auto command = mailbox_.TryReceive();
    if (!command) return;
    std::visit([this](auto&& value) { Apply(std::forward<decltype(value)>(value)); },
               *std::move(command));
  }
}

StepEngine::Sequence* StepEngine::Find(SequenceId id) {
  const auto found = sequences_.find(id);
  return found == sequences_.end() ? nullptr : found->second.get();
}

Status StepEngine::CheckRequest(const Request& request) const {
  const int32_t vocabulary = model_.config().vocabulary;
  if (request.prompt.empty()) return InvalidArgument("the prompt has no tokens");
  for (const TokenId token : request.prompt) {
    if (token < 0 || token >= vocabulary) {
      return InvalidArgument("token " + std::to_string(token) + " of the prompt is outside [0, " +
                             std::to_string(vocabulary) + ")");
    }
  }
  if (request.emitted_tokens < 0 ||
      static_cast<size_t>(request.emitted_tokens) >= request.prompt.size()) {
    return InvalidArgument("emitted_tokens " + std::to_string(request.emitted_tokens) +
                           " must be at least 0 and less than the prompt's tokens");
  }
  BATON_RETURN_IF_ERROR(CheckGrammar(request));
  return Validate(request.sampling, vocabulary);
}

Status StepEngine::CheckGrammar(const Request& request) const {
  if (request.grammar.empty()) return OkStatus();
  if (options_.constraints == nullptr) {
    return FailedPrecondition("this worker takes no request with a grammar");
  }
  if (request.grammar.size() > Request::kMaxGrammarBytes) {
    return InvalidArgument("the grammar must have at most " +
                           std::to_string(Request::kMaxGrammarBytes) + " bytes, got " +
                           std::to_string(request.grammar.size()));
  }
  if (model_.eos_tokens().empty() && request.sampling.stop_token_ids.empty()) {
    return InvalidArgument("a grammar needs a token that ends the output; the model has none");
  }
  return OkStatus();
}

void StepEngine::Apply(Submission&& submission) {
  BATON_CHECK(!sequences_.contains(submission.sequence))
      << "sequence " << Index(submission.sequence) << " exists already";
  Request& request = submission.request;
  Status status = CheckRequest(request);
  if (status.ok() && submission.goal != Goal::kGenerate && request.sampling.prompt_logprobs >= 0) {
    status = InvalidArgument("a prompt is not handed off when its prompt_logprobs are wanted");
  }
  auto sequence = std::make_unique<Sequence>();
  sequence->id = submission.sequence;
  sequence->prompt_tokens = static_cast<int32_t>(request.prompt.size());
  sequence->emitted_tokens = request.emitted_tokens;
  sequence->tokens = std::move(request.prompt);
  sequence->sampling = std::move(request.sampling);
  if (!request.grammar.empty()) {
    sequence->grammar = std::make_unique<scheduler::SequenceGrammar>();
    sequence->grammar->text = std::move(request.grammar);
    ++counters_.constrained_sequences;
  }
  if (sequence->sampling.min_tokens > 0) {
    sequence->banned_early = sequence->sampling.stop_token_ids;
    sequence->banned_early.insert(sequence->banned_early.end(), model_.eos_tokens().begin(),
                                  model_.eos_tokens().end());
  }
  // Who resumes has had them.
  if (sequence->sampling.prompt_logprobs >= 0 && sequence->emitted_tokens == 0) {
    sequence->prompt_logprobs = std::make_shared<PromptLogprobs>();
  }
  sequence->cache_salt = request.cache_salt;
  sequence->priority = request.priority;
  sequence->prefill_only = submission.goal == Goal::kPrefill;
  sequence->remote_prefill = submission.goal == Goal::kDecode;
  sequence->local_prefill_max_tokens = submission.local_prefill_max_tokens;
  if (status.ok()) status = scheduler_.Add(*sequence);
  if (!status.ok()) return listener_.OnFailed(submission.sequence, std::move(status));
  sequences_.emplace(submission.sequence, std::move(sequence));
}

void StepEngine::Apply(CancelCommand&& command) {
  if (Sequence* sequence = Find(command.sequence)) End(*sequence);
}

void StepEngine::Apply(CommitCommand&& command) {
  Sequence* sequence = Find(command.sequence);
  if (sequence == nullptr || !sequence->remote_prefill) return;
  if (sequence->state == SequenceState::kHeld) {
    // It was cancelled on the way. The commit proves that no put can land any more.
    Forget(*sequence);
    return;
  }
  if (sequence->state != SequenceState::kReserved) return;
  const TokenOutput& first = command.first;
  if (first.token < 0 || first.token >= model_.config().vocabulary ||
      first.position != sequence->prompt_tokens) {
    Fail(*sequence, Internal("the peer committed token " + std::to_string(first.token) +
                             " at position " + std::to_string(first.position) + " of a prompt of " +
                             std::to_string(sequence->prompt_tokens) + " tokens")
                        .WithBlast(Blast::kPeer));
    // No release follows a commit.
    Forget(*sequence);
    return;
  }
  scheduler_.Commit(*sequence);
  Accept(*sequence, std::move(command.first));
}

void StepEngine::Apply(FailCommand&& command) {
  Sequence* sequence = Find(command.sequence);
  if (sequence == nullptr || !sequence->remote_prefill) return;
  if (sequence->state == SequenceState::kHeld) return;
  Fail(*sequence, std::move(command.status));
}

void StepEngine::Apply(PrefillHereCommand&& command) {
  Sequence* sequence = Find(command.sequence);
  if (sequence == nullptr || sequence->state != SequenceState::kReserved) return;
  scheduler_.PrefillHere(*sequence);
}

void StepEngine::Apply(ReleaseCommand&& command) {
  Sequence* sequence = Find(command.sequence);
  if (sequence == nullptr) return;
  if (sequence->state == SequenceState::kReserved) {
    Fail(*sequence, Aborted("its blocks were released before their KV was committed"));
  } else if (sequence->state == SequenceState::kRunning && sequence->prefill_only) {
    End(*sequence);
  }
  if (sequence->state != SequenceState::kHeld) return;
  Forget(*sequence);
}

void StepEngine::Apply(InspectCommand&& command) {
  static constexpr const char* kNames[] = {"waiting", "reserved", "running", "held"};
  std::vector<SequenceReport> reports;
  for (const auto& [id, sequence] : sequences_) {
    reports.push_back({.sequence = id,
                       .state = kNames[static_cast<size_t>(sequence->state)],
                       .prompt_tokens = sequence->prompt_tokens,
                       .tokens = sequence->size(),
                       .computed = sequence->computed,
                       .blocks = sequence->blocks.size()});
  }
  command.then(std::move(reports));
}

}  // namespace baton::engine
