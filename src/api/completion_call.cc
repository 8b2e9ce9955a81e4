#include "baton/api/completion_call.h"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <utility>
#include <variant>

#include "baton/base/pile.h"
#include "prompt_records.h"

namespace baton::api {

namespace {

ResponseIdentity MakeIdentity(const CallSetup& setup, const CompletionPlan& plan) {
  const ApiOptions& options = setup.model.options;
  return {.chat = plan.chat,
          .id = setup.id,
          .created_unix_s = setup.model.clock.UnixSeconds(),
          .model = options.model,
          .system_fingerprint = options.system_fingerprint};
}

const char* NameOf(FinishReason reason, bool stopped_to_call) {
  if (stopped_to_call) return "tool_calls";
  return reason == FinishReason::kLength ? "length" : "stop";
}

ResponseParts MakeParts(const CompletionPlan& plan) {
  return {.stream = plan.stream,
          .logprobs = plan.show_logprobs,
          .token_ids = plan.return_token_ids,
          .usage_in_chunks = plan.include_usage,
          .reasoning = plan.reading.reasoning != ReasoningFormat::kNone};
}

}  // namespace

/// Carries one request's output from the backend's threads to the strand, which is told once for
/// all that has come by the time that it gets there. Bounded by the tokens that the request may
/// generate.
class CompletionCall::Sink final : public CompletionSink,
                                   public std::enable_shared_from_this<Sink> {
 public:
  Sink(std::shared_ptr<StrandLink> strand, std::weak_ptr<CompletionCall> call, int index)
      : strand_(std::move(strand)), call_(std::move(call)), index_(index) {}

  void OnRoute(std::string route) override {
    if (index_ == 0) Hand(Route{std::move(route)});
  }
  void OnTimings(const RequestTimings& timings) override { Hand(timings); }
  void OnToken(TokenOutput output) override { Hand(std::move(output)); }
  void OnRefused(const Refusal& refusal) override { refusal_ = refusal; }
  void OnEnd(Status status) override { Hand(Ended{std::move(status), refusal_}); }

 private:
  struct Route {
    std::string name;
  };
  struct Ended {
    Status status;
    std::optional<Refusal> refusal;
  };
  using Event = std::variant<Route, RequestTimings, TokenOutput, Ended>;

  /// Hands an event of the pile to the call.
  struct Deliver {
    CompletionCall& call;
    int index;

    void operator()(const Route& route) const {
      if (!call.failed_) call.OnRoute(route.name);
    }
    void operator()(const RequestTimings& timings) const { call.timings_ = timings; }
    void operator()(const TokenOutput& output) const { call.Token(index, output); }
    void operator()(const Ended& end) const { call.End(index, end.status, end.refusal); }
  };

  void Hand(Event event) {
    if (!pile_.Add(std::move(event))) return;
    strand_->Post([self = shared_from_this()] { self->DeliverAll(); });
  }

  void DeliverAll() {
    pile_.TakeAll(taken_);
    if (const auto call = call_.lock()) {
      for (const Event& event : taken_) std::visit(Deliver{*call, index_}, event);
    }
    taken_.clear();
  }

  const std::shared_ptr<StrandLink> strand_;
  const std::weak_ptr<CompletionCall> call_;
  const int index_;
  std::optional<Refusal> refusal_;
  Pile<Event> pile_;
  /// The strand's, kept for its memory.
  std::vector<Event> taken_;
};

CompletionCall::CompletionCall(CallSetup setup, CompletionPlan plan)
    : backend_(setup.backend),
      model_(setup.model),
      strand_(std::move(setup.strand)),
      place_(std::move(setup.place)),
      plan_(std::move(plan)),
      cache_salt_(access::CacheSalt(place_->caller(), plan_.cache_salt)),
      writer_(MakeIdentity(setup, plan_), MakeParts(plan_), model_.tokenizer),
      context_(setup.context),
      prefill_pick_(std::move(setup.prefill_pick)) {
  if (model_.options.tracer != nullptr && context_.sampled) {
    span_ = std::make_unique<CompletionSpan>(*model_.options.tracer, context_, setup.id, model_,
                                             plan_);
  }
  const size_t count = plan_.prompts.size() * static_cast<size_t>(plan_.candidates);
  runs_.reserve(count);
  // Copies share what the stop strings took to prepare.
  const Choice fresh(model_.tokenizer, plan_);
  for (size_t i = 0; i < count; ++i) {
    Run& run = runs_.emplace_back(Run{setup.id + "-" + std::to_string(i), fresh});
    if (plan_.echo) run.choice.StartAt(CountCharacters(PromptOf(static_cast<int>(i)).text));
    run.choice.SetId(run.request_id);
  }
}

CompletionCall::~CompletionCall() {
  CancelAll();
  if (span_) span_->OnFailed("client_closed");
}

void CompletionCall::Start() {
  started_ = model_.clock.Now();
  OnStart();
  for (int i = 0; i < candidates(); ++i)
    backend_.Start(MakeRequest(i), std::make_shared<Sink>(strand_, weak_from_this(), i));
}

const PlannedPrompt& CompletionCall::PromptOf(int index) const {
  return plan_.prompts[static_cast<size_t>(index / plan_.candidates)];
}

Request CompletionCall::MakeRequest(int index) const {
  const PlannedPrompt& prompt = PromptOf(index);
  Request request;
  request.id = runs_[static_cast<size_t>(index)].request_id;
  request.prompt = prompt.tokens;
  request.sampling = plan_.sampling;
  request.grammar = plan_.grammar;
  request.sampling.max_tokens = prompt.max_tokens;
  request.sampling.seed += static_cast<uint64_t>(index % plan_.candidates);
  request.cache_salt = cache_salt_;
  request.priority = access::AllowedPriority(place_->caller(), plan_.priority);
  request.tenant = place_->caller().tenant;
  request.session = plan_.session;
  request.prefill_pick = prefill_pick_;
  request.slo = plan_.slo;
  request.timings = plan_.timings && index == 0;
  request.trace = plan_.trace;
  request.context = span_ ? span_->context() : context_;
  return request;
}

void CompletionCall::Token(int index, const TokenOutput& output) {
  Run& run = runs_[static_cast<size_t>(index)];
  if (failed_ || run.choice.finished()) return;
  if (output.finish != FinishReason::kNone) run.open = false;
  if (output.prompt_logprobs) {
    if (output.prompt_logprobs->size() + 1 != PromptOf(index).tokens.size())
      return Fail({500, "the worker told of another prompt", {}, "internal_error"});
    run.prompt_records = PromptRecords(model_.tokenizer, PromptOf(index), *output.prompt_logprobs,
                                       plan_.skip_special);
  }
  ChoiceDelta delta = run.choice.Push(output);
  // A stop string matched, which the worker cannot know.
  if (run.choice.finished()) {
    Cancel(run);
    run.finish_reason = NameOf(delta.finish, delta.stopped_to_call);
    if (model_.broken_calls != nullptr) model_.broken_calls->Add(run.choice.broken_calls());
  }
  const bool all_finished = run.choice.finished() && ++finished_ == candidates();
  if (!delta.empty()) {
    if (!std::exchange(run.opened, true)) Open(run, PromptOf(index), delta);
    OnDelta(index, std::move(delta));
  }
  if (all_finished) {
    CloseSpan();
    OnFinished();
  }
}

void CompletionCall::CloseSpan() {
  if (!span_) return;
  std::vector<std::string> reasons;
  for (const Run& run : runs_) reasons.emplace_back(run.finish_reason);
  span_->OnFinished(CountUsage(), std::move(reasons));
  span_.reset();
}

void CompletionCall::Open(Run& run, const PlannedPrompt& prompt, ChoiceDelta& delta) {
  if (plan_.echo) {
    delta.text.insert(0, prompt.text);
    if (plan_.show_logprobs)
      delta.logprobs.insert(delta.logprobs.begin(), run.prompt_records.begin(),
                            run.prompt_records.end());
  }
  if (plan_.show_prompt_logprobs) delta.prompt_logprobs = std::move(run.prompt_records);
}

void CompletionCall::End(int index, const Status& status, const std::optional<Refusal>& refusal) {
  Run& run = runs_[static_cast<size_t>(index)];
  run.open = false;
  if (run.choice.finished()) return;
  if (status.ok()) return Fail({500, "the output ended without a reason", {}, "internal_error"});
  Fail(refusal ? ToApiError(status, *refusal) : ToApiError(status));
}

void CompletionCall::Fail(const ApiError& error) {
  if (std::exchange(failed_, true)) return;
  CancelAll();
  if (span_) span_->OnFailed(error.code.empty() ? std::to_string(error.status) : error.code);
  span_.reset();
  OnFailed(error);
}

void CompletionCall::Cancel(Run& run) {
  if (std::exchange(run.open, false)) backend_.Cancel(run.request_id);
}

void CompletionCall::CancelAll() {
  for (Run& run : runs_) Cancel(run);
}

Usage CompletionCall::CountUsage() const {
  Usage usage;
  for (const PlannedPrompt& prompt : plan_.prompts)
    usage.prompt_tokens += static_cast<int64_t>(prompt.tokens.size());
  for (size_t i = 0; i < runs_.size(); ++i) {
    usage.completion_tokens += runs_[i].choice.completion_tokens();
    usage.reasoning_tokens += runs_[i].choice.reasoning_tokens();
    // A prompt counts once, however many outputs it has.
    if (i % static_cast<size_t>(plan_.candidates) == 0)
      usage.cached_tokens += runs_[i].choice.cached_tokens();
  }
  return usage;
}

const std::string* CompletionCall::MatchedStop(int index) const {
  const std::optional<size_t> stop = runs_[static_cast<size_t>(index)].choice.matched_stop();
  return stop ? &plan_.stops[*stop] : nullptr;
}

std::vector<int> CompletionCall::Best() const {
  std::vector<int> best;
  for (int begin = 0; begin < candidates(); begin += plan_.candidates) {
    std::vector<int> of_prompt(static_cast<size_t>(plan_.candidates));
    std::iota(of_prompt.begin(), of_prompt.end(), begin);
    if (plan_.candidates > plan_.choices) {
      std::stable_sort(of_prompt.begin(), of_prompt.end(), [&](int a, int b) {
        return runs_[static_cast<size_t>(a)].choice.mean_logprob() >
               runs_[static_cast<size_t>(b)].choice.mean_logprob();
      });
    }
    best.insert(best.end(), of_prompt.begin(), of_prompt.begin() + plan_.choices);
  }
  return best;
}

std::optional<Timings> CompletionCall::TakeTimings() const {
  if (!timings_) return std::nullopt;
  return Timings{.request = *timings_, .total = model_.clock.Now() - started_};
}

std::function<void()> CompletionCall::Guard(std::function<void()> run) {
  return [call = weak_from_this(), run = std::move(run)] {
    if (const auto self = call.lock()) run();
  };
}

}  // namespace baton::api
