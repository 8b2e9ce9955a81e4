#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "baton/request/request.h"

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
  /// With a finish of kStop: the output ended because the model called tools that it chose itself.
  bool stopped_to_call = false;

  bool says_something() const { return !text.empty() || !reasoning.empty() || !tool_calls.empty(); }
  bool empty() const { return !says_something() && finish == FinishReason::kNone; }

  /// Makes this and what came `next` one.
  void Append(ChoiceDelta next);
};

}  // namespace baton::api
