#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "baton/api/choice.h"
#include "baton/api/completion_backend.h"
#include "baton/api/completion_plan.h"
#include "baton/api/completion_span.h"
#include "baton/api/response_writer.h"
#include "baton/api/running_calls.h"
#include "baton/api/strand_link.h"

namespace baton::api {

/// Everything a call needs beside its plan.
struct CallSetup {
  CompletionBackend& backend;
  const ServedModel& model;
  std::shared_ptr<StrandLink> strand;
  /// Of this response, unique.
  std::string id;
  /// Where in a trace it is; not valid: in none.
  TraceContext context = {};
  PrefillPick prefill_pick = {};
  std::unique_ptr<RunningCalls::Place> place;
};

/// Runs the requests of one plan at the backend and hands what they produce to a subclass, which
/// answers. Destroying it cancels what still runs.
/// *Threads*: lives on its connection's strand; the backend's threads only post to it.
class CompletionCall : public std::enable_shared_from_this<CompletionCall> {
 public:
  CompletionCall(CallSetup setup, CompletionPlan plan);
  virtual ~CompletionCall();
  CompletionCall(const CompletionCall&) = delete;
  CompletionCall& operator=(const CompletionCall&) = delete;

  /// Starts all requests. REQUIRES: owned by a shared_ptr.
  void Start();

 protected:
  /// The first candidate's route is known.
  virtual void OnRoute(const std::string& route) = 0;
  virtual void OnDelta(int index, ChoiceDelta delta) = 0;
  /// Every candidate is finished.
  virtual void OnFinished() = 0;
  /// No more comes; everything has been cancelled.
  virtual void OnFailed(const ApiError& error) = 0;
  /// Before the first request starts.
  virtual void OnStart() {}

  Usage CountUsage() const;
  /// The stop string that ended an output; null for none.
  const std::string* MatchedStop(int index) const;
  /// Where the time until now went, for requests that ask.
  std::optional<Timings> TakeTimings() const;
  /// To be called before the last bytes of the answer go: whoever has read them may come again.
  void LeaveRoom() { place_->LeaveRoom(); }
  /// `run`, dropped when this is gone by then.
  std::function<void()> Guard(std::function<void()> run);
  const CompletionPlan& plan() const { return plan_; }
  const ResponseWriter& writer() const { return writer_; }
  /// Outputs under way, of all prompts.
  int candidates() const { return static_cast<int>(runs_.size()); }
  /// Which of them to answer, in the order of prompts, the likeliest of a prompt first where there
  /// are more than asked for. REQUIRES: every one is finished.
  std::vector<int> Best() const;

 private:
  class Sink;
  /// One request at the backend.
  struct Run {
    std::string request_id;
    Choice choice;
    /// Of the prompt, once they are known, when they were asked for.
    std::vector<TokenRecord> prompt_records = {};
    /// Its first delta has been handed on.
    bool opened = false;
    /// Once it is finished.
    const char* finish_reason = "";
    /// The backend may still be at work for it.
    bool open = true;
  };

  const PlannedPrompt& PromptOf(int index) const;
  Request MakeRequest(int index) const;
  void Token(int index, const TokenOutput& output);
  void CloseSpan();
  /// Puts before a choice's first delta what the answer says of its prompt.
  void Open(Run& run, const PlannedPrompt& prompt, ChoiceDelta& delta);
  void End(int index, const Status& status, const std::optional<Refusal>& refusal);
  void Fail(const ApiError& error);
  void Cancel(Run& run);
  void CancelAll();

  CompletionBackend& backend_;
  const ServedModel& model_;
  const std::shared_ptr<StrandLink> strand_;
  const std::unique_ptr<RunningCalls::Place> place_;
  const CompletionPlan plan_;
  /// Of the caller's tenant, and within it of the client's choice.
  const uint64_t cache_salt_;
  const ResponseWriter writer_;
  const TraceContext context_;
  const PrefillPick prefill_pick_;
  std::vector<Run> runs_;
  TimePoint started_;
  /// Of the first choice.
  std::optional<RequestTimings> timings_;
  int finished_ = 0;
  bool failed_ = false;
  /// Null where the request has none.
  std::unique_ptr<CompletionSpan> span_;
};

}  // namespace baton::api
