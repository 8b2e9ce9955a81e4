#include "response_messages.h"

#include <algorithm>

#include "baton/text/utf8.h"

namespace baton::grpc {

namespace {

/// To the microsecond.
double Ms(Duration duration) {
  return static_cast<double>(std::max<int64_t>(0, duration.count() / 1000)) / 1000;
}

void AddMessage(const api::ChoiceDelta& delta, bool chunk, v1::ChatMessage& to) {
  if (!chunk) to.set_role("assistant");
  if (!delta.text.empty() || (!chunk && !delta.says_something())) to.set_content(delta.text);
  if (!delta.reasoning.empty()) to.set_reasoning(delta.reasoning);
  for (const api::ToolCallDelta& call : delta.tool_calls) {
    v1::ToolCall* const piece = to.add_tool_calls();
    if (chunk) piece->set_index(call.index);
    if (!call.id.empty()) {
      piece->set_id(call.id);
      piece->set_type("function");
    }
    piece->mutable_function()->set_name(call.name);
    piece->mutable_function()->set_arguments(call.arguments);
  }
}

const char* FinishReasonOf(const api::ChoiceDelta& delta) {
  switch (delta.finish) {
    case FinishReason::kStop: return delta.stopped_to_call ? "tool_calls" : "stop";
    case FinishReason::kLength: return "length";
    case FinishReason::kNone: break;
  }
  return "";
}

}  // namespace

template <typename Choice>
void MessageWriter::AddTail(const api::ChoiceDelta& delta, Choice& to) const {
  if (logprobs_ && !delta.logprobs.empty())
    AddRecords(delta.logprobs, *to.mutable_logprobs()->mutable_content());
  to.mutable_token_ids()->Assign(delta.token_ids.begin(), delta.token_ids.end());
  if (delta.finish != FinishReason::kNone) to.set_finish_reason(FinishReasonOf(delta));
}

void MessageWriter::AddRecords(const std::vector<api::TokenRecord>& records,
                               google::protobuf::RepeatedPtrField<v1::DrawnToken>& to) const {
  const auto name = [this](TokenId token, auto& entry) {
    entry.set_token(text::ToValidUtf8(tokenizer_.TokenBytes(token)));
    entry.set_bytes(tokenizer_.TokenBytes(token));
    entry.set_token_id(token);
  };
  for (const api::TokenRecord& record : records) {
    v1::DrawnToken& drawn = *to.Add();
    name(record.token, drawn);
    if (record.logprob) drawn.set_logprob(*record.logprob);
    drawn.set_text_offset(record.text_offset);
    drawn.set_rank(record.rank);
    for (const TokenLogprob& top : record.top) {
      v1::LikelyToken& likely = *drawn.add_top_logprobs();
      name(top.token, likely);
      likely.set_logprob(top.logprob);
    }
  }
}

void MessageWriter::Add(int index, const api::ChoiceDelta& delta, v1::CompleteResponse& to) const {
  v1::CompleteChoice& choice = *to.add_choices();
  choice.set_index(index);
  choice.set_text(delta.text);
  AddRecords(delta.prompt_logprobs, *choice.mutable_prompt_logprobs());
  AddTail(delta, choice);
}

void MessageWriter::Add(int index, const api::ChoiceDelta& delta, v1::ChatResponse& to) const {
  v1::ChatChoice& choice = *to.add_choices();
  choice.set_index(index);
  AddMessage(delta, /*chunk=*/false, *choice.mutable_message());
  AddTail(delta, choice);
  // One list for all choices, which have the same prompt.
  if (index == 0) AddRecords(delta.prompt_logprobs, *to.mutable_prompt_logprobs());
}

void MessageWriter::Add(int index, const api::ChoiceDelta& delta, v1::ChatChunk& to) const {
  v1::ChatChunkChoice& choice = *to.add_choices();
  choice.set_index(index);
  AddMessage(delta, /*chunk=*/true, *choice.mutable_delta());
  AddTail(delta, choice);
}

void MessageWriter::AddRole(int index, v1::ChatChunk& to) const {
  v1::ChatChunkChoice& choice = *to.add_choices();
  choice.set_index(index);
  choice.mutable_delta()->set_role("assistant");
  choice.mutable_delta()->set_content("");
}

v1::Usage ToProto(const api::Usage& usage) {
  v1::Usage to;
  to.set_prompt_tokens(usage.prompt_tokens);
  to.set_completion_tokens(usage.completion_tokens);
  to.set_total_tokens(usage.prompt_tokens + usage.completion_tokens);
  to.mutable_prompt_tokens_details()->set_cached_tokens(usage.cached_tokens);
  to.mutable_completion_tokens_details()->set_reasoning_tokens(usage.reasoning_tokens);
  return to;
}

v1::Timings ToProto(const api::Timings& timings) {
  v1::Timings to;
  if (const auto& handoff = timings.request.handoff) {
    to.set_reserve_ms(Ms(handoff->reserve));
    to.set_queue_ms(Ms(handoff->queued));
    to.set_prefill_ms(Ms(handoff->prefill));
    to.set_transfer_ms(Ms(handoff->transfer));
    to.set_commit_ms(Ms(handoff->commit));
  }
  to.set_admission_ms(Ms(timings.request.admission));
  to.set_ttft_ms(Ms(timings.request.ttft));
  to.set_total_ms(Ms(timings.total));
  return to;
}

}  // namespace baton::grpc
