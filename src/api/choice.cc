#include "baton/api/choice.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

namespace baton::api {

void ChoiceDelta::Append(ChoiceDelta next) {
  text += next.text;
  reasoning += next.reasoning;
  for (ToolCallDelta& call : next.tool_calls) {
    if (!tool_calls.empty() && tool_calls.back().index == call.index) {
      tool_calls.back().arguments += call.arguments;
    } else {
      tool_calls.push_back(std::move(call));
    }
  }
  logprobs.insert(logprobs.end(), std::make_move_iterator(next.logprobs.begin()),
                  std::make_move_iterator(next.logprobs.end()));
  if (!next.prompt_logprobs.empty()) prompt_logprobs = std::move(next.prompt_logprobs);
  token_ids.insert(token_ids.end(), next.token_ids.begin(), next.token_ids.end());
  finish = next.finish;
  stopped_to_call = next.stopped_to_call;
}

int64_t CountCharacters(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

Choice::Choice(const text::Tokenizer& tokenizer, const CompletionPlan& plan)
    : include_stop_(plan.include_stop),
      keep_token_ids_(plan.return_token_ids),
      keep_records_(plan.show_logprobs),
      min_tokens_(plan.sampling.min_tokens),
      named_call_(plan.reading.named),
      detokenizer_(tokenizer, plan.skip_special) {
  if (!plan.stops.empty()) matcher_.emplace(plan.stops, plan.include_stop);
  if (plan.reading.plain()) return;
  reader_.emplace(plan.reading);
  for (const std::string_view marker : OutputReader::Markers(plan.reading)) {
    const std::optional<TokenId> token = tokenizer.Find(marker);
    if (token && tokenizer.IsSpecial(*token)) markers_.push_back(*token);
  }
}

void Choice::SetId(std::string_view id) {
  if (reader_) reader_->SeedCallIds(std::hash<std::string_view>()(id));
}

ChoiceDelta Choice::Push(const TokenOutput& output) {
  if (completion_tokens_ == 0) cached_tokens_ = output.cached_tokens;
  if (output.token == kNoToken) {
    finished_ = true;
    return {.finish = output.finish};
  }
  ++completion_tokens_;
  logprob_sum_ += output.logprob.value_or(0);
  if (keep_token_ids_) token_ids_.push_back(output.token);
  const bool last = output.finish != FinishReason::kNone;
  const bool reasoned = reader_ && reader_->in_reasoning();
  ChoiceDelta delta;
  delta.finish = output.finish;
  std::string text = TakeText(output);
  if (last) text += detokenizer_.Finish();
  produced_ += CountCharacters(text);
  Release(std::move(text), last, delta);
  if (reasoned || (reader_ && reader_->in_reasoning())) ++reasoning_tokens_;
  finished_ = delta.finish != FinishReason::kNone;
  return delta;
}

/// The token that ends an output is not part of it, like a stop string.
std::string Choice::TakeText(const TokenOutput& output) {
  if (output.finish == FinishReason::kStop && !include_stop_) return {};
  if (keep_records_)
    records_.push_back({output.token, output.logprob.value_or(0), output.top_logprobs, produced_});
  const bool marker = std::ranges::find(markers_, output.token) != markers_.end();
  return marker ? detokenizer_.PushShown(output.token) : detokenizer_.Push(output.token);
}

void Choice::Release(std::string text, bool last, ChoiceDelta& delta) {
  bool stopped = false;
  // Stop strings count from the token after min_tokens.
  if (matcher_ && completion_tokens_ > min_tokens_) {
    text::StopMatcher::Match match = matcher_->Push(text);
    delta.text = std::move(match.text);
    stopped = match.matched;
    if (stopped) {
      delta.finish = FinishReason::kStop;
      matched_stop_ = match.which;
    }
  } else {
    delta.text = std::move(text);
  }
  if (last && !stopped && matcher_) delta.text += matcher_->Finish();
  released_ += CountCharacters(delta.text);
  if (reader_) Read(delta);
  if (!delta.empty()) ReleaseRecords(stopped, delta);
}

void Choice::Read(ChoiceDelta& delta) {
  reader_->Push(std::exchange(delta.text, {}), delta);
  if (reader_->done() && delta.finish == FinishReason::kNone) delta.finish = FinishReason::kStop;
  if (delta.finish == FinishReason::kNone) return;
  reader_->Finish(delta);
  delta.stopped_to_call =
      delta.finish == FinishReason::kStop && reader_->calls() > 0 && !named_call_;
}

void Choice::ReleaseRecords(bool stopped, ChoiceDelta& delta) {
  delta.token_ids = std::exchange(token_ids_, {});
  // Records of text that is held back wait for it; those of text cut off go with it.
  const bool all = delta.finish != FinishReason::kNone && !stopped;
  const auto held = all ? records_.end()
                        : std::find_if(records_.begin(), records_.end(), [&](const auto& record) {
                            return record.text_offset >= released_;
                          });
  delta.logprobs.assign(std::make_move_iterator(records_.begin()), std::make_move_iterator(held));
  records_.erase(records_.begin(), held);
}

}  // namespace baton::api
