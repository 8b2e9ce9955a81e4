#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/ids.h"
#include "baton/base/trace_context.h"
#include "baton/request/sampling_params.h"

namespace baton {

/// What a client wants to hold of a request's times; zero where it has no wish.
struct RequestSlo {
  /// From the request's arrival to its first token.
  Duration ttft{};
  /// Mean per token after the first.
  Duration tpot{};
};

/// Who shall prefill a prompt, where somebody before the router has picked a worker for that.
struct PrefillPick {
  /// "host:port" as it was said, which may be anything; empty: nobody picked.
  std::string endpoint;
  /// Whoever said so is to be followed.
  bool trusted = false;
};

/// What a worker is asked to generate: token ids in, token ids out. Text stays in the router.
struct Request {
  /// Chosen by the router, unique among its requests; appears in logs and spans.
  std::string id;
  /// The prompt, never empty. A resumed request carries the tokens already emitted behind it.
  std::vector<TokenId> prompt;
  /// How many tokens at the end of `prompt` were generated before (0 unless resumed).
  int32_t emitted_tokens = 0;
  SamplingParams sampling;
  /// What the output must be, in the notation of the grammar module; empty: anything. Where it
  /// conflicts with min_tokens or ignore_eos it wins only where nothing else could be drawn.
  std::string grammar;
  /// Separates prefix caches that must not see each other, e.g. of two tenants.
  uint64_t cache_salt = 0;
  /// Among those that wait, requests with less go first.
  int32_t priority = 0;
  /// For the router alone: requests of one session, unless empty, go to the same workers where
  /// those can take them.
  std::string session;
  /// For the router alone: who is served fairly beside others; empty where nobody is known.
  std::string tenant;
  /// For the router alone.
  PrefillPick prefill_pick = {};
  RequestSlo slo;
  /// Whoever asks wants to know where the time goes, and what each process does when.
  bool timings = false;
  bool trace = false;
  /// The trace that the request is part of, for logs; not valid: of none.
  TraceContext context = {};

  static constexpr size_t kMaxGrammarBytes = 256 * 1024;
};

enum class FinishReason : uint8_t { kNone = 0, kStop = 1, kLength = 2 };

/// One candidate with its log-probability (natural logarithm).
struct TokenLogprob {
  TokenId token = 0;
  float logprob = 0;
};

/// A token of the prompt, after those before it.
struct PromptLogprob {
  float logprob = 0;
  /// 1 and the number of likelier tokens.
  int32_t rank = 0;
  /// The most likely tokens, best first; as many as were asked for.
  std::vector<TokenLogprob> top;
};

/// Of the prompt's tokens from the second on.
using PromptLogprobs = std::vector<PromptLogprob>;

/// In place of a token where none was asked for.
inline constexpr TokenId kNoToken = -1;

/// One generated token of a request.
struct TokenOutput {
  /// kNoToken when max_tokens is 0: then this output is the only one.
  TokenId token = 0;
  /// Index in prompt + output, i.e. the prompt's length for the first token.
  int32_t position = 0;
  /// Set on the last token only.
  FinishReason finish = FinishReason::kNone;
  /// Present when logprobs were asked for.
  std::optional<float> logprob;
  /// The most likely tokens, best first; as many as were asked for.
  std::vector<TokenLogprob> top_logprobs;
  /// When asked for, on the first token of the first worker only.
  std::shared_ptr<const PromptLogprobs> prompt_logprobs;
  /// Prompt tokens whose KV came from the prefix cache of the worker that prefilled; on the first
  /// token only.
  int32_t cached_tokens = 0;
};

}  // namespace baton
