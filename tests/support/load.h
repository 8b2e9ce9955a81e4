#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace baton::test {

/// What one streamed or whole completion gave.
struct Outcome {
  int status = 0;
  /// Of the choice: text, tokens and log-probabilities, as the response has them.
  std::string text;
  std::string logprobs;
  std::string finish_reason;
  /// Header x-baton-route.
  std::string route;
  /// The error's message, of a reply or within a stream.
  std::string error;
  /// The whole answer came, [DONE] included for a stream.
  bool complete = false;
};

/// A body for POST /v1/completions.
struct CompletionBody {
  std::string prompt;
  int max_tokens = 16;
  /// Greedy, or temperature 1 with this seed.
  bool greedy = true;
  uint64_t seed = 0;
  bool ignore_eos = false;
  bool stream = false;
  /// More fields, e.g. `, "top_k": 5`.
  std::string more;
  std::string ToJson() const;
};

/// Random prompts of plain words, of 1 to `words` words, half of which begin alike.
std::vector<CompletionBody> RandomCompletions(uint64_t seed, int count, int words);

Outcome Complete(uint16_t port, const CompletionBody& body);
/// All bodies at once from `clients` threads; outcomes in the order of the bodies.
std::vector<Outcome> CompleteAll(uint16_t port, const std::vector<CompletionBody>& bodies,
                                 int clients);

}  // namespace baton::test
