#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "baton/api/choice_delta.h"
#include "baton/api/completion_plan.h"
#include "baton/api/output_reader.h"
#include "baton/request/request.h"
#include "baton/text/detokenizer.h"
#include "baton/text/stop_matcher.h"

namespace baton::api {

/// The number of characters in `text`. REQUIRES: valid UTF-8.
int64_t CountCharacters(const std::string& text);

/// One output on its way from tokens to text: detokenizes, stops on strings, parts reasoning and
/// calls of tools from the rest, keeps the records of tokens whose text is still held back. Stop
/// strings match in all of the output, as in vLLM: in reasoning and in calls too. A copy of a fresh
/// one costs little. *Threads*: lives on one thread.
class Choice {
 public:
  /// REQUIRES: `tokenizer` outlives this.
  Choice(const text::Tokenizer& tokenizer, const CompletionPlan& plan);

  /// The answer's text begins with so many characters of the prompt.
  void StartAt(int64_t characters) { produced_ = released_ = characters; }
  /// Names the output: the ids of its calls follow from that.
  void SetId(std::string_view id);

  /// REQUIRES: no earlier delta had a finish reason. A finish of kStop where `output` has none
  /// means that a stop string matched, or the only call ended: the worker does not know yet.
  ChoiceDelta Push(const TokenOutput& output);

  int64_t completion_tokens() const { return completion_tokens_; }
  int64_t cached_tokens() const { return cached_tokens_; }
  /// Mean log-probability of the tokens. REQUIRES: log-probabilities were asked for.
  double mean_logprob() const { return logprob_sum_ / static_cast<double>(completion_tokens_); }
  /// Tokens of which the output was reasoning; none without a reader of reasoning.
  int64_t reasoning_tokens() const { return reasoning_tokens_; }
  /// Calls that could not be read, or broke off.
  int broken_calls() const { return reader_ ? reader_->broken_calls() : 0; }
  bool finished() const { return finished_; }
  /// Which of the plan's stop strings matched.
  std::optional<size_t> matched_stop() const { return matched_stop_; }

 private:
  std::string TakeText(const TokenOutput& output);
  /// Passes `text` on as far as no stop string may begin in it.
  void Release(std::string text, bool last, ChoiceDelta& delta);
  /// Parts `delta.text`.
  void Read(ChoiceDelta& delta);
  void ReleaseRecords(bool stopped, ChoiceDelta& delta);

  const bool include_stop_;
  const bool keep_token_ids_;
  const bool keep_records_;
  const int64_t min_tokens_;
  const bool named_call_;
  text::Detokenizer detokenizer_;
  std::optional<text::StopMatcher> matcher_;
  std::optional<OutputReader> reader_;
  /// Special tokens that mean something to the reader.
  std::vector<TokenId> markers_;
  int64_t completion_tokens_ = 0;
  int64_t cached_tokens_ = 0;
  double logprob_sum_ = 0;
  int64_t reasoning_tokens_ = 0;
  bool finished_ = false;
  std::optional<size_t> matched_stop_;
  /// Characters of the answer's text so far, and those that were passed on.
  int64_t produced_ = 0;
  int64_t released_ = 0;
  std::vector<TokenRecord> records_;
  std::vector<TokenId> token_ids_;
};

}  // namespace baton::api
