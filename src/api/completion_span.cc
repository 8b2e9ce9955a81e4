#include "baton/api/completion_span.h"

#include <utility>

namespace baton::api {
namespace {

TraceContext Within(telemetry::Tracer& tracer, const TraceContext& parent) {
  TraceContext here = parent;
  here.span = tracer.NextSpan();
  return here;
}

const char* OperationOf(const CompletionPlan& plan) {
  return plan.chat ? "chat" : "text_completion";
}

}  // namespace

CompletionSpan::CompletionSpan(telemetry::Tracer& tracer, const TraceContext& parent,
                               const std::string& id, const ServedModel& model,
                               const CompletionPlan& plan)
    : here_(Within(tracer, parent)),
      span_(tracer, {.where = here_,
                     .parent = parent.span,
                     .kind = telemetry::TraceSpan::Kind::kInternal,
                     .name = OperationOf(plan) + (" " + model.options.model),
                     .begin = tracer.clock().Now(),
                     .end = {},
                     .attributes = {},
                     .error = {}}) {
  span_.Set("gen_ai.operation.name", OperationOf(plan));
  span_.Set("gen_ai.provider.name", "baton");
  span_.Set("gen_ai.request.model", model.options.model);
  span_.Set("gen_ai.response.model", model.options.model);
  span_.Set("gen_ai.response.id", id);
  span_.Set("gen_ai.output.type", "text");
  if (!plan.prompts.empty()) {
    span_.Set("gen_ai.request.max_tokens", int64_t{plan.prompts.front().max_tokens});
  }
  if (plan.choices > 1) span_.Set("gen_ai.request.choice.count", int64_t{plan.choices});
  const SamplingParams& sampling = plan.sampling;
  span_.Set("gen_ai.request.temperature", double{sampling.temperature});
  span_.Set("gen_ai.request.top_p", double{sampling.top_p});
  if (sampling.top_k > 0) span_.Set("gen_ai.request.top_k", double(sampling.top_k));
  span_.Set("gen_ai.request.frequency_penalty", double{sampling.frequency_penalty});
  span_.Set("gen_ai.request.presence_penalty", double{sampling.presence_penalty});
}

void CompletionSpan::OnFinished(const Usage& usage, std::vector<std::string> finish_reasons) {
  span_.Set("gen_ai.usage.input_tokens", usage.prompt_tokens);
  span_.Set("gen_ai.usage.output_tokens", usage.completion_tokens);
  span_.Set("gen_ai.usage.cache_read.input_tokens", usage.cached_tokens);
  span_.Set("gen_ai.response.finish_reasons", std::move(finish_reasons));
}

}  // namespace baton::api
