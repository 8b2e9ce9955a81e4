#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../json_fields.h"
#include "baton/api/dialect.h"

namespace baton::api {

/// Writes a Response: items of reasoning, of text and of calls of functions, in their order.
/// *Threads*: lives on one thread.
class ResponsesWriter final : public AnswerWriter {
 public:
  /// REQUIRES: `model` outlives this.
  ResponsesWriter(const AnswerIdentity& identity, const ServedModel& model,
                  const DialectRequest& request);

  void Begin(AnswerEvents& events) override;
  void Push(const ChoiceDelta& delta, const Usage& usage, AnswerEvents& events) override;
  void Finish(const OutputEnd& end, AnswerEvents& events) override;
  void Fail(const ApiError& error, AnswerEvents& events) override;
  std::string Whole() const override;

 private:
  enum class Kind : uint8_t { kReasoning, kText, kCall };
  /// The item that is not complete.
  struct Item {
    Kind kind = Kind::kText;
    std::string id;
    /// Of a call.
    int call = 0;
    std::string call_id;
    std::string name;
    /// What it thinks or says, or the call's arguments.
    std::string text;
    Json logprobs = Json::array();
  };

  void Extend(Kind kind, const std::string& text, AnswerEvents& events);
  void ExtendText(const ChoiceDelta& delta, AnswerEvents& events);
  void ExtendCall(const ToolCallDelta& call, AnswerEvents& events);
  void Open(Item item, AnswerEvents& events);
  void Close(std::string_view status, AnswerEvents& events);
  /// The events of what an item holds: of its text part, or its arguments.
  void Delta(const std::string& text, const Json& logprobs, AnswerEvents& events);
  void ContentDone(AnswerEvents& events);
  Json ItemJson(const Item& item, std::string_view status) const;
  Json PartJson(const Item& item) const;
  Json LogprobsJson(const std::vector<TokenRecord>& records) const;
  /// The whole object as it now is.
  std::string Response(std::string_view status) const;
  void EmitResponse(std::string_view type, std::string_view status, AnswerEvents& events);
  /// Adds {"type", ..., members, "sequence_number"}.
  void Emit(std::string_view type, std::string_view members, AnswerEvents& events);
  /// "item_id" and "output_index" of the item, with a comma behind.
  std::string Place() const;

  const ServedModel& model_;
  const std::string id_;
  const std::string echo_;
  const int64_t created_unix_s_;
  int64_t completed_unix_s_ = 0;
  int64_t sequence_ = 0;
  /// Complete ones.
  Json output_ = Json::array();
  std::optional<Item> item_;
  FinishReason finish_ = FinishReason::kNone;
  std::string_view status_ = "in_progress";
  std::optional<Usage> usage_;
  std::optional<ApiError> error_;
};

}  // namespace baton::api
