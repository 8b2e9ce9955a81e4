#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace baton::loadgen {

struct TokenUsage {
  int32_t prompt_tokens = 0;
  int32_t completion_tokens = 0;
};

/// What one event of a streamed completion says, in the dialect of OpenAI.
struct Chunk {
  /// "[DONE]".
  bool done = false;
  /// Carries text that the model wrote: an answer's, its reasoning's or a call's of a tool. What
  /// only names a role does not.
  bool text = false;
  /// Says why a choice ended.
  bool finish = false;
  std::optional<TokenUsage> usage;
  /// The message of an error event; also for what is no JSON object.
  std::string error;
};

Chunk ReadChunk(std::string_view data);

/// The message in the body of a refusal: OpenAI's nested error, others' flat ones, or its
/// beginning.
std::string ErrorMessage(std::string_view body);

}  // namespace baton::loadgen
