#pragma once

#include <cstdint>
#include <string_view>

#include "baton/base/status.h"
#include "baton/text/chat_template.h"

namespace baton::api {

/// How a model writes calls of tools; src/api/README.md.
enum class ToolFormat : uint8_t { kNone, kHermes, kLlama3, kMistral };

/// How a model marks what it thinks before it answers.
enum class ReasoningFormat : uint8_t { kNone, kThink };

/// What is known of how a model chats, from its template.
struct ChatFormat {
  ToolFormat tools = ToolFormat::kNone;
  ReasoningFormat reasoning = ReasoningFormat::kNone;
  /// The template tells the model which tools there are, and which it called before.
  bool takes_tools = false;
  bool shows_calls = false;
  /// The template wants the arguments of earlier calls as JSON text, not as an object.
  bool arguments_as_text = false;
  /// The template wants none as the content of a message that only calls, not an empty string.
  bool null_content = false;
};

/// `tool_parser`: auto, none, hermes, llama3 or mistral; `reasoning_parser`: auto, none or think.
/// What is auto is told from the template's text; what the template takes, by rendering it.
/// `chat_template` may be null. *Fails with* InvalidArgument for other words.
Result<ChatFormat> FindChatFormat(std::string_view tool_parser, std::string_view reasoning_parser,
                                  const text::ChatTemplate* chat_template);

}  // namespace baton::api
