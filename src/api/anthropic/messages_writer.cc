#include "messages_writer.h"

#include <utility>

#include "../readers.h"
#include "baton/api/json_writer.h"
#include "baton/text/utf8.h"

namespace baton::api {

namespace {

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string_view ErrorType(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 503: return "overloaded_error";
    case 504: return "timeout_error";
    default: return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

/// Cached tokens are counted beside the others, not among them.
Json UsageJson(const Usage& usage) {
  return {{"input_tokens", usage.prompt_tokens - usage.cached_tokens},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", usage.cached_tokens},
          {"output_tokens", usage.completion_tokens}};
}

AnswerEvent Event(std::string_view type, const Json& members = Json::object()) {
  Json data = {{"type", type}};
  data.update(members);
  return {std::string(type), Dump(data)};
}

/// The input of a tool's use; empty where the output ended before its JSON text did.
Json InputJson(const std::string& text) {
  Json input = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return input.is_object() ? input : Json::object();
}

}  // namespace

std::string MessagesErrorJson(const ApiError& error, const std::string& request_id) {
  return Dump({{"type", "error"},
               {"error",
                {{"type", ErrorType(error.status)}, {"message", text::ToValidUtf8(error.message)}}},
               {"request_id", request_id}});
}

MessagesWriter::MessagesWriter(const AnswerIdentity& identity, const ServedModel& model)
    : model_(model), id_(identity.id), request_id_(identity.request_id) {}

void MessagesWriter::Push(const ChoiceDelta& delta, const Usage& usage, AnswerEvents& events) {
  if (!std::exchange(started_, true))
    events.push_back(Event("message_start", {{"message", MessageJson(usage)}}));
  if (!delta.reasoning.empty()) Extend({.kind = Kind::kThinking}, delta.reasoning, events);
  if (!delta.text.empty()) Extend({.kind = Kind::kText}, delta.text, events);
  for (const ToolCallDelta& call : delta.tool_calls)
    Extend({.kind = Kind::kToolUse, .call = call.index, .id = call.id, .name = call.name},
           call.arguments, events);
  finish_ = delta.finish;
}

void MessagesWriter::Finish(const OutputEnd& end, AnswerEvents& events) {
  const bool calls = block_ && block_->kind == Kind::kToolUse;
  Close(events);
  usage_ = end.usage;
  stop_reason_ = finish_ == FinishReason::kLength ? "max_tokens" : calls ? "tool_use" : "end_turn";
  if (end.stop != nullptr) {
    stop_reason_ = "stop_sequence";
    stop_sequence_ = *end.stop;
  }
  events.push_back(
      Event("message_delta",
            {{"delta", {{"stop_reason", stop_reason_}, {"stop_sequence", stop_sequence_}}},
             {"usage", UsageJson(usage_)}}));
  events.push_back(Event("message_stop"));
}

void MessagesWriter::Fail(const ApiError& error, AnswerEvents& events) {
  events.push_back({"error", MessagesErrorJson(error, request_id_)});
}

std::optional<AnswerEvent> MessagesWriter::SignOfLife() const { return Event("ping"); }

std::string MessagesWriter::Whole() const { return Dump(MessageJson(usage_)); }

void MessagesWriter::Extend(Block block, const std::string& text, AnswerEvents& events) {
  if (!block_ || block_->kind != block.kind || block_->call != block.call) {
    Close(events);
    block_ = std::move(block);
    events.push_back(Event("content_block_start", {{"index", content_.size()},
                                                   {"content_block", BlockJson(*block_, true)}}));
  }
  block_->text += text;
  if (text.empty()) return;
  constexpr std::pair<const char*, const char*> kDeltas[] = {
      {"thinking_delta", "thinking"}, {"text_delta", "text"}, {"input_json_delta", "partial_json"}};
  const auto& [type, member] = kDeltas[static_cast<size_t>(block_->kind)];
  std::string data = R"({"type":"content_block_delta","index":)";
  AppendJsonInteger(data, static_cast<int64_t>(content_.size()));
  data.append(R"(,"delta":{"type":")").append(type).append(R"(",")").append(member).append("\":");
  AppendJsonString(data, text);
  events.push_back({"content_block_delta", data + "}}"});
}

void MessagesWriter::Close(AnswerEvents& events) {
  if (!block_) return;
  events.push_back(Event("content_block_stop", {{"index", content_.size()}}));
  content_.push_back(BlockJson(*block_, false));
  block_.reset();
}

Json MessagesWriter::BlockJson(const Block& block, bool started) const {
  switch (block.kind) {
    // Clients require a signature; there is nobody here to check one.
    case Kind::kThinking:
      return {{"type", "thinking"}, {"thinking", block.text}, {"signature", ""}};
    case Kind::kText: return {{"type", "text"}, {"text", block.text}};
    case Kind::kToolUse: break;
  }
  return {{"type", "tool_use"},
          {"id", block.id},
          {"name", block.name},
          {"input", started ? Json::object() : InputJson(block.text)}};
}

Json MessagesWriter::MessageJson(const Usage& usage) const {
  return {{"id", "msg_" + id_},
          {"type", "message"},
          {"role", "assistant"},
          {"model", text::ToValidUtf8(model_.options.model)},
          {"content", content_},
          {"stop_reason", stop_reason_},
          {"stop_sequence", stop_sequence_},
          {"usage", UsageJson(usage)}};
}

namespace {

class Messages final : public Dialect {
 public:
  std::optional<ApiError> Read(std::string_view body, const ServedModel& model,
                               DialectRequest& request) const override {
    Json object;
    if (auto error = ParseBody(body, model.options.limits.json_depth, object)) return error;
    JsonFields fields(object);
    ChatTranslation chat;
    TranslateMessages(fields, /*counts_only=*/false, chat);
    return ReadTranslated(fields, chat, model, request.plan);
  }

  std::unique_ptr<AnswerWriter> MakeWriter(const AnswerIdentity& identity, const ServedModel& model,
                                           const DialectRequest&) const override {
    return std::make_unique<MessagesWriter>(identity, model);
  }

  std::string Error(const ApiError& error, const std::string& request_id) const override {
    return MessagesErrorJson(error, request_id);
  }

  std::string_view request_id_header() const override { return "request-id"; }
};

}  // namespace

const Dialect& MessagesDialect() {
  static const Messages dialect;
  return dialect;
}

}  // namespace baton::api
