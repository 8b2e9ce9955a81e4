#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "baton/api/completion_plan.h"
#include "baton/request/request.h"
#include "baton/text/detokenizer.h"
#include "baton/text/stop_matcher.h"

namespace baton::api {

/// What a token was drawn from, and where its text begins.
struct TokenRecord {
  TokenId token = 0;
  /// Absent for a prompt's first token.
  std::optional<float> logprob;
  std::vector<TokenLogprob> top = {};
  /// In characters from the beginning of the answer's text.
  int64_t text_offset = 0;
  /// Of a prompt's token: 1 and the number of likelier ones.
  int32_t rank = 0;
};

/// What is new of one of an output's calls of tools.
struct ToolCallDelta {
  /// Of the call within its output, from 0.
  int index = 0;
  /// Set where the call begins, else empty.
  std::string id = {};
  std::string name = {};
  /// What follows of the arguments' JSON text.
  std::string arguments = {};
};

/// What one token added to an output: nothing yet, or text and all tokens up to there.
struct ChoiceDelta {
  std::string text;
  /// What the model thinks before it answers.
  std::string reasoning;
  std::vector<ToolCallDelta> tool_calls;
  /// Empty unless log-probabilities were asked for.
  std::vector<TokenRecord> logprobs;
  /// Of the prompt's tokens, in a choice's first delta, when they were asked for.
  std::vector<TokenRecord> prompt_logprobs;
  /// Empty unless token ids were asked for.
  std::vector<TokenId> token_ids;
  /// The output is complete when set.
  FinishReason finish = FinishReason::kNone;

  bool empty() const {
    return text.empty() && reasoning.empty() && tool_calls.empty() && finish == FinishReason::kNone;
  }
};

/// The number of characters in `text`. REQUIRES: valid UTF-8.
int64_t CountCharacters(const std::string& text);

/// One output on its way from tokens to text: detokenizes, stops on strings, keeps the records of
/// tokens whose text is still held back. A copy of a fresh one costs little. *Threads*: lives on
/// one thread.
class Choice {
 public:
  /// REQUIRES: `tokenizer` outlives this.
  Choice(const text::Tokenizer& tokenizer, const CompletionPlan& plan);

  /// The answer's text begins with so many characters of the prompt.
  void StartAt(int64_t characters) { produced_ = released_ = characters; }

  /// REQUIRES: no earlier delta had a finish reason. A finish of kStop where `output` has none
  /// means that a stop string matched: the worker does not know yet.
  ChoiceDelta Push(TokenOutput output);

  int64_t completion_tokens() const { return completion_tokens_; }
  int64_t cached_tokens() const { return cached_tokens_; }
  /// Mean log-probability of the tokens. REQUIRES: log-probabilities were asked for.
  double mean_logprob() const { return logprob_sum_ / static_cast<double>(completion_tokens_); }
  bool finished() const { return finished_; }
  /// Which of the plan's stop strings matched.
  std::optional<size_t> matched_stop() const { return matched_stop_; }

 private:
  std::string TakeText(const TokenOutput& output);
  /// Passes `text` on as far as no stop string may begin in it.
  void Release(std::string text, bool last, ChoiceDelta& delta);
  void ReleaseRecords(bool stopped, ChoiceDelta& delta);

  const bool include_stop_;
  const bool keep_token_ids_;
  const bool keep_records_;
  const int64_t min_tokens_;
  text::Detokenizer detokenizer_;
  std::optional<text::StopMatcher> matcher_;
  int64_t completion_tokens_ = 0;
  int64_t cached_tokens_ = 0;
  double logprob_sum_ = 0;
  bool finished_ = false;
  std::optional<size_t> matched_stop_;
  /// Characters of the answer's text so far, and those that were passed on.
  int64_t produced_ = 0;
  int64_t released_ = 0;
  std::vector<TokenRecord> records_;
  std::vector<TokenId> token_ids_;
};

}  // namespace baton::api
