#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "baton/base/status.h"

namespace baton::text {

/// What one rendering may use: templates come with models, and models from strangers.
struct ChatTemplateLimits {
  int64_t steps = 5'000'000;
  size_t output_bytes = size_t{64} << 20;
  int depth = 400;
};

/// A model's chat template: Jinja as Hugging Face uses it (trim_blocks, lstrip_blocks, loop
/// controls, raise_exception, strftime_now, {% generation %}). *Threads*: immutable.
class ChatTemplate {
 public:
  /// *Fails with* InvalidArgument with line and column.
  static Result<ChatTemplate> Parse(std::string source);

  /// From chat_template.jinja, else tokenizer_config.json ("chat_template": one template, or a list
  /// of named ones of which "tool_use" serves contexts with tools). Special tokens that
  /// tokenizer_config.json names (bos_token, eos_token, ...) are defaults in every context.
  /// *Fails with* NotFound when the folder has no template.
  static Result<ChatTemplate> Load(const std::filesystem::path& model_folder);

  /// `context_json` is an object, e.g. {"messages": [...], "tools": [...],
  /// "add_generation_prompt": true}. The order of its keys is kept, and seen by `tojson`: pass text
  /// from the client or nlohmann::ordered_json. `unix_seconds` is the time of strftime_now.
  /// *Fails with* InvalidArgument with line and column; also when the template calls
  /// raise_exception (its message is kept). ResourceExhausted at a limit.
  Result<std::string> Render(std::string_view context_json, int64_t unix_seconds,
                             const ChatTemplateLimits& limits = {}) const;

  /// Whether `text` stands in the template's source, or in that for contexts with tools.
  bool Mentions(std::string_view text) const;

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

 private:
  struct Parts;
  explicit ChatTemplate(std::unique_ptr<const Parts> parts);
  std::unique_ptr<const Parts> parts_;
};

}  // namespace baton::text
