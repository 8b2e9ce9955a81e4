#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "../json_fields.h"
#include "baton/api/dialect.h"

namespace baton::api {

/// Anthropic's {"type":"error","error":{"type","message"},"request_id"}.
std::string MessagesErrorJson(const ApiError& error, const std::string& request_id);

/// Writes a Message: blocks of thinking, of text and of uses of tools, in their order.
/// *Threads*: lives on one thread.
class MessagesWriter final : public AnswerWriter {
 public:
  /// REQUIRES: `model` outlives this.
  MessagesWriter(const AnswerIdentity& identity, const ServedModel& model);

  /// Nothing: what comes first says how much of the prompt was cached.
  void Begin(AnswerEvents&) override {}
  void Push(const ChoiceDelta& delta, const Usage& usage, AnswerEvents& events) override;
  void Finish(const OutputEnd& end, AnswerEvents& events) override;
  void Fail(const ApiError& error, AnswerEvents& events) override;
  std::optional<AnswerEvent> SignOfLife() const override;
  std::string Whole() const override;

 private:
  enum class Kind : uint8_t { kThinking, kText, kToolUse };
  struct Block {
    Kind kind = Kind::kText;
    /// Of a tool's use.
    int call = 0;
    std::string id;
    std::string name;
    /// What it thinks or says, or the tool's input as JSON text.
    std::string text;
  };

  void Extend(Block block, const std::string& text, AnswerEvents& events);
  void Close(AnswerEvents& events);
  /// `started`: as a stream shows it before its text.
  Json BlockJson(const Block& block, bool started) const;
  Json MessageJson(const Usage& usage) const;

  const ServedModel& model_;
  const std::string id_;
  const std::string request_id_;
  bool started_ = false;
  /// Complete ones.
  Json content_ = Json::array();
  std::optional<Block> block_;
  FinishReason finish_ = FinishReason::kNone;
  Json stop_reason_;
  Json stop_sequence_;
  Usage usage_;
};

}  // namespace baton::api
