#include "token_masks.h"

#include <algorithm>
#include <ctime>

#include <pthread.h>

#include "baton/base/check.h"
#include "baton/base/units.h"

namespace baton::engine {
namespace {

constexpr int32_t kWordBits = 32;
/// How long a wait lasts before it is begun anew; what ends it wakes the waiter.
constexpr Duration kPatience = std::chrono::seconds(1);

/// Of this thread. Not the clock's time: masks compete with the step for cores.
double CpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

uint32_t& WordOf(std::vector<uint32_t>& mask, TokenId token) {
  return mask[static_cast<size_t>(token / kWordBits)];
}

uint32_t BitOf(TokenId token) { return 1u << (token % kWordBits); }

bool AnySet(const std::vector<uint32_t>& mask) {
  return std::any_of(mask.begin(), mask.end(), [](uint32_t word) { return word != 0; });
}

}  // namespace

TokenMasks::TokenMasks(int32_t sequences, int32_t vocabulary, const std::vector<TokenId>& eos,
                       TokenConstraintFactory* factory)
    : words_(static_cast<size_t>(CeilDiv(vocabulary, kWordBits))),
      vocabulary_(vocabulary),
      eos_(eos),
      factory_(factory) {
  job_of_.reserve(static_cast<size_t>(sequences));
}

TokenMasks::~TokenMasks() {
  thread_.request_stop();
  begun_.Close();
}

void TokenMasks::Begin(const scheduler::StepPlan& plan) {
  used_ = 0;
  job_of_.clear();
  for (const scheduler::Scheduled& scheduled : plan.batch) {
    if (!scheduled.draws) continue;
    job_of_.push_back(-1);
    if (!scheduled.sequence->grammar || !scheduled.runs()) continue;
    job_of_.back() = static_cast<int>(used_);
    if (used_ == jobs_.size()) jobs_.emplace_back().mask.resize(words_);
    jobs_[used_++].sequence = scheduled.sequence;
  }
  if (used_ == 0) return;
  if (!thread_.joinable()) {
    thread_ = std::jthread([this](const std::stop_token& stop) {
      pthread_setname_np(pthread_self(), "masks");
      while (!stop.stop_requested()) {
        if (begun_.Receive(kPatience)) Run();
      }
    });
  }
  BATON_CHECK(begun_.TrySend({}));
}

bool TokenMasks::Wait() {
  if (used_ == 0) return false;
  while (!done_.Receive(kPatience)) {
  }
  return true;
}

void TokenMasks::Run() {
  const double begin = CpuSeconds();
  for (size_t i = 0; i < used_; ++i) jobs_[i].status = Fill(jobs_[i]);
  masks_ += static_cast<int64_t>(used_);
  cpu_seconds_ += CpuSeconds() - begin;
  BATON_CHECK(done_.TrySend({}));
}

Status TokenMasks::Fill(Job& job) const {
  const scheduler::Sequence& sequence = *job.sequence;
  BATON_RETURN_IF_ERROR(Follow(*job.sequence));
  sequence.grammar->constraint->FillMask(job.mask);
  if (vocabulary_ % kWordBits != 0) job.mask.back() &= BitOf(vocabulary_) - 1;
  ApplyEnds(sequence, job.mask);
  if (AnySet(job.mask)) return OkStatus();
  return Internal("the grammar leaves no token to draw at position " +
                  std::to_string(sequence.size()));
}

Status TokenMasks::Follow(scheduler::Sequence& sequence) const {
  scheduler::SequenceGrammar& grammar = *sequence.grammar;
  if (!grammar.constraint) {
    BATON_ASSIGN_OR_RETURN(grammar.constraint, factory_->Make(grammar.text));
    grammar.text = {};
    grammar.taken = sequence.prompt_tokens - sequence.emitted_tokens;
  }
  for (; grammar.taken < sequence.size(); ++grammar.taken) {
    const TokenId token = sequence.tokens[static_cast<size_t>(grammar.taken)];
    if (grammar.constraint->Accept(token)) continue;
    const std::string what = "token " + std::to_string(token) + " at position " +
                             std::to_string(grammar.taken) + " is not what the grammar allows";
    // What was drawn here is of the mask, so this one came with a resume or a commit.
    if (grammar.taken < sequence.prompt_tokens) return InvalidArgument("emitted " + what);
    return Internal("committed " + what).WithBlast(Blast::kPeer);
  }
  return OkStatus();
}

void TokenMasks::ApplyEnds(const scheduler::Sequence& sequence, std::vector<uint32_t>& mask) const {
  const SamplingParams& sampling = sequence.sampling;
  if (sequence.grammar->constraint->MayEnd()) {
    for (const TokenId token : eos_) WordOf(mask, token) |= BitOf(token);
    for (const TokenId token : sampling.stop_token_ids) WordOf(mask, token) |= BitOf(token);
  }
  std::vector<TokenId> cleared;
  const auto clear = [&](const std::vector<TokenId>& tokens) {
    for (const TokenId token : tokens) {
      if ((WordOf(mask, token) & BitOf(token)) == 0) continue;
      WordOf(mask, token) &= ~BitOf(token);
      cleared.push_back(token);
    }
  };
  if (sampling.ignore_eos) clear(eos_);
  if (sequence.generated() < sampling.min_tokens) clear(sequence.banned_early);
  if (AnySet(mask)) return;
  for (const TokenId token : cleared) WordOf(mask, token) |= BitOf(token);
}

const uint32_t* TokenMasks::mask(size_t i) const {
  const int job = job_of_[i];
  if (job < 0 || !jobs_[static_cast<size_t>(job)].status.ok()) return nullptr;
  return jobs_[static_cast<size_t>(job)].mask.data();
}

Status TokenMasks::status(size_t i) const {
  const int job = job_of_[i];
  return job < 0 ? OkStatus() : jobs_[static_cast<size_t>(job)].status;
}

}  // namespace baton::engine
