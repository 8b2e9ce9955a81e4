#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "baton/api/choice.h"
#include "baton/api/completion_backend.h"
#include "baton/text/tokenizer.h"

namespace baton::api {

struct ResponseIdentity {
  bool chat = false;
  std::string id;
  int64_t created_unix_s = 0;
  std::string model;
  std::string system_fingerprint;
};

struct ResponseParts {
  bool stream = false;
  bool logprobs = false;
  bool token_ids = false;
  /// Each chunk of a stream says "usage", all but the last null.
  bool usage_in_chunks = false;
  /// Usage says how many tokens were reasoning.
  bool reasoning = false;
};

struct Usage {
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
  int64_t reasoning_tokens = 0;
  int64_t cached_tokens = 0;
};

/// What a response says about its own making, under "baton".
struct Timings {
  RequestTimings request;
  Duration total{};
};

/// Writes OpenAI's response objects, as JSON text. What does not change is written once; a chunk
/// costs a few appends. *Threads*: immutable.
class ResponseWriter {
 public:
  /// REQUIRES: `tokenizer` outlives this.
  ResponseWriter(const ResponseIdentity& identity, const ResponseParts& parts,
                 const text::Tokenizer& tokenizer);

  /// The chunk that opens a choice of a chat.
  void AppendRoleChunk(std::string& out, int index) const;
  /// A chunk with what is new in a choice; its finish reason, if any, included.
  void AppendChunk(std::string& out, int index, const ChoiceDelta& delta,
                   const std::optional<Usage>& usage = std::nullopt) const;
  /// The last chunk of a stream: no choices.
  void AppendLastChunk(std::string& out, const std::optional<Usage>& usage,
                       const std::optional<Timings>& timings) const;

  /// The response in one piece. `choices[i]` is the whole output of choice i.
  std::string Whole(const std::vector<ChoiceDelta>& choices, const Usage& usage,
                    const std::optional<Timings>& timings) const;

 private:
  void AppendIndex(std::string& out, int index) const;
  void AppendUsage(std::string& out, const Usage& usage) const;
  void AppendTail(std::string& out, const ChoiceDelta& delta) const;
  void AppendPromptLogprobs(std::string& out, const std::vector<TokenRecord>& records) const;
  void AppendLogprobs(std::string& out, const ChoiceDelta& delta) const;
  void AppendChatLogprobs(std::string& out, const std::vector<TokenRecord>& records) const;
  void AppendTextLogprobs(std::string& out, const std::vector<TokenRecord>& records) const;
  void AppendTokenLogprob(std::string& out, TokenId token, float logprob) const;
  std::string TokenName(TokenId token) const;

  const bool chat_;
  const ResponseParts parts_;
  const text::Tokenizer& tokenizer_;
  /// Up to the contents of "choices".
  std::string head_;
  /// Behind the contents of "choices" of a chunk.
  std::string chunk_tail_;
};

}  // namespace baton::api
