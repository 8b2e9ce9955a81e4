#pragma once

#include <string>
#include <vector>

#include "baton/api/completion_plan.h"
#include "baton/api/response_writer.h"
#include "baton/telemetry/tracer.h"

namespace baton::api {

/// The span of a completion, with what OpenTelemetry's conventions for generative AI ask for; of
/// what was said in it nothing. *Threads*: lives on one thread.
class CompletionSpan {
 public:
  /// Within `parent`, which is sampled. REQUIRES: `tracer` outlives this.
  CompletionSpan(telemetry::Tracer& tracer, const TraceContext& parent, const std::string& id,
                 const ServedModel& model, const CompletionPlan& plan);

  /// Where the completion's requests are.
  const TraceContext& context() const { return here_; }
  void OnFinished(const Usage& usage, std::vector<std::string> finish_reasons);
  void OnFailed(const std::string& code) { span_.Fail(code); }

 private:
  const TraceContext here_;
  telemetry::OpenSpan span_;
};

}  // namespace baton::api
