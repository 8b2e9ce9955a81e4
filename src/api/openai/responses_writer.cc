#include "responses_writer.h"

#include <utility>

#include "baton/api/json_writer.h"
#include "baton/text/utf8.h"

namespace baton::api {

namespace {

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string Quoted(std::string_view text) {
  std::string quoted;
  AppendJsonString(quoted, text);
  return quoted;
}

/// Of the kinds of items: what their ids begin with.
constexpr std::string_view kIdPrefixes[] = {"rs_", "msg_", "fc_"};

Json UsageJson(const Usage& usage) {
  return {
      {"input_tokens", usage.prompt_tokens},
      {"input_tokens_details", {{"cached_tokens", usage.cached_tokens}, {"cache_write_tokens", 0}}},
      {"output_tokens", usage.completion_tokens},
      {"output_tokens_details", {{"reasoning_tokens", usage.reasoning_tokens}}},
      {"total_tokens", usage.prompt_tokens + usage.completion_tokens}};
}

}  // namespace

ResponsesWriter::ResponsesWriter(const AnswerIdentity& identity, const ServedModel& model,
                                 const DialectRequest& request)
    : model_(model),
      id_(identity.id),
      echo_(request.echo),
      created_unix_s_(model.clock.UnixSeconds()) {}

void ResponsesWriter::Begin(AnswerEvents& events) {
  EmitResponse("response.created", status_, events);
  EmitResponse("response.in_progress", status_, events);
}

void ResponsesWriter::Push(const ChoiceDelta& delta, const Usage&, AnswerEvents& events) {
  if (!delta.reasoning.empty()) Extend(Kind::kReasoning, delta.reasoning, events);
  if (!delta.text.empty()) ExtendText(delta, events);
  for (const ToolCallDelta& call : delta.tool_calls) ExtendCall(call, events);
  finish_ = delta.finish;
}

void ResponsesWriter::Finish(const OutputEnd& end, AnswerEvents& events) {
  usage_ = end.usage;
  const bool cut = finish_ == FinishReason::kLength;
  status_ = cut ? "incomplete" : "completed";
  if (output_.empty() && !item_) Open({.kind = Kind::kText}, events);
  Close(status_, events);
  completed_unix_s_ = model_.clock.UnixSeconds();
  EmitResponse(cut ? "response.incomplete" : "response.completed", status_, events);
}

void ResponsesWriter::Fail(const ApiError& error, AnswerEvents& events) {
  error_ = error;
  status_ = "failed";
  if (item_) output_.push_back(ItemJson(*std::exchange(item_, std::nullopt), "incomplete"));
  EmitResponse("response.failed", status_, events);
}

std::string ResponsesWriter::Whole() const { return Response(status_); }

void ResponsesWriter::Extend(Kind kind, const std::string& text, AnswerEvents& events) {
  if (!item_ || item_->kind != kind) Open({.kind = kind}, events);
  item_->text += text;
  Delta(text, Json::array(), events);
}

void ResponsesWriter::ExtendText(const ChoiceDelta& delta, AnswerEvents& events) {
  if (!item_ || item_->kind != Kind::kText) Open({.kind = Kind::kText}, events);
  item_->text += delta.text;
  Json logprobs = LogprobsJson(delta.logprobs);
  Delta(delta.text, logprobs, events);
  for (Json& record : logprobs) item_->logprobs.push_back(std::move(record));
}

void ResponsesWriter::ExtendCall(const ToolCallDelta& call, AnswerEvents& events) {
  if (!item_ || item_->kind != Kind::kCall || item_->call != call.index)
    Open({.kind = Kind::kCall, .call = call.index, .call_id = call.id, .name = call.name}, events);
  item_->text += call.arguments;
  if (!call.arguments.empty()) Delta(call.arguments, Json::array(), events);
}

void ResponsesWriter::Open(Item item, AnswerEvents& events) {
  Close("completed", events);
  item.id = std::string(kIdPrefixes[static_cast<size_t>(item.kind)]) + id_ + "_" +
            std::to_string(output_.size());
  item_ = std::move(item);
  Json added = ItemJson(*item_, "in_progress");
  if (item_->kind != Kind::kCall) added["content"] = Json::array();
  Emit("response.output_item.added",
       R"("output_index":)" + std::to_string(output_.size()) + R"(,"item":)" + Dump(added), events);
  if (item_->kind == Kind::kCall) return;
  Emit("response.content_part.added",
       Place() + R"("content_index":0,"part":)" + Dump(PartJson(*item_)), events);
}

void ResponsesWriter::Close(std::string_view status, AnswerEvents& events) {
  if (!item_) return;
  ContentDone(events);
  Json done = ItemJson(*item_, status);
  Emit("response.output_item.done",
       R"("output_index":)" + std::to_string(output_.size()) + R"(,"item":)" + Dump(done), events);
  output_.push_back(std::move(done));
  item_.reset();
}

void ResponsesWriter::Delta(const std::string& text, const Json& logprobs, AnswerEvents& events) {
  std::string members = Place();
  if (item_->kind == Kind::kCall) {
    members += R"("delta":)" + Quoted(text);
    return Emit("response.function_call_arguments.delta", members, events);
  }
  members += R"("content_index":0,"delta":)" + Quoted(text);
  if (item_->kind == Kind::kReasoning)
    return Emit("response.reasoning_text.delta", members, events);
  members += R"(,"logprobs":)" + Dump(logprobs);
  Emit("response.output_text.delta", members, events);
}

void ResponsesWriter::ContentDone(AnswerEvents& events) {
  std::string members = Place();
  if (item_->kind == Kind::kCall) {
    members += R"("name":)" + Quoted(item_->name) + R"(,"arguments":)" + Quoted(item_->text);
    return Emit("response.function_call_arguments.done", members, events);
  }
  members += R"("content_index":0,)";
  const std::string text = R"("text":)" + Quoted(item_->text);
  if (item_->kind == Kind::kReasoning) {
    Emit("response.reasoning_text.done", members + text, events);
  } else {
    Emit("response.output_text.done", members + text + R"(,"logprobs":)" + Dump(item_->logprobs),
         events);
  }
  Emit("response.content_part.done", members + R"("part":)" + Dump(PartJson(*item_)), events);
}

Json ResponsesWriter::ItemJson(const Item& item, std::string_view status) const {
  switch (item.kind) {
    case Kind::kReasoning:
      return {{"id", item.id},
              {"type", "reasoning"},
              {"summary", Json::array()},
              {"content", Json::array({PartJson(item)})},
              {"status", status}};
    case Kind::kText:
      return {{"id", item.id},
              {"type", "message"},
              {"role", "assistant"},
              {"content", Json::array({PartJson(item)})},
              {"status", status}};
    case Kind::kCall: break;
  }
  return {{"id", item.id},     {"type", "function_call"}, {"call_id", item.call_id},
          {"name", item.name}, {"arguments", item.text},  {"status", status}};
}

Json ResponsesWriter::PartJson(const Item& item) const {
  if (item.kind == Kind::kReasoning) return {{"type", "reasoning_text"}, {"text", item.text}};
  return {{"type", "output_text"},
          {"text", item.text},
          {"annotations", Json::array()},
          {"logprobs", item.logprobs}};
}

Json ResponsesWriter::LogprobsJson(const std::vector<TokenRecord>& records) const {
  const auto token_json = [&](TokenId token, float logprob) {
    const std::string& bytes = model_.tokenizer.TokenBytes(token);
    std::string value;
    AppendJsonLogprob(value, logprob);
    Json json = {{"token", text::ToValidUtf8(bytes)},
                 {"logprob", Json::parse(value)},
                 {"bytes", Json::array()}};
    for (const char byte : bytes) json["bytes"].push_back(static_cast<unsigned char>(byte));
    return json;
  };
  Json logprobs = Json::array();
  for (const TokenRecord& record : records) {
    Json json = token_json(record.token, record.logprob.value_or(0));
    json["top_logprobs"] = Json::array();
    for (const TokenLogprob& top : record.top)
      json["top_logprobs"].push_back(token_json(top.token, top.logprob));
    logprobs.push_back(std::move(json));
  }
  return logprobs;
}

std::string ResponsesWriter::Response(std::string_view status) const {
  std::string out = R"({"id":"resp_)" + id_ + R"(","object":"response","created_at":)";
  AppendJsonInteger(out, created_unix_s_);
  out += R"(,"status":)" + Quoted(status) + R"(,"completed_at":)";
  out += status == "completed" ? std::to_string(completed_unix_s_) : "null";
  out += R"(,"model":)" + Quoted(text::ToValidUtf8(model_.options.model)) + R"(,"error":)";
  out += error_ ? Dump({{"code", error_->status == 429 ? "rate_limit_exceeded" : "server_error"},
                        {"message", error_->message}})
                : "null";
  out += R"(,"incomplete_details":)";
  out += status == "incomplete" ? R"({"reason":"max_output_tokens"},)" : "null,";
  out += echo_ + R"("output":)" + Dump(output_);
  if (usage_) out += R"(,"usage":)" + Dump(UsageJson(*usage_));
  return out + "}";
}

void ResponsesWriter::EmitResponse(std::string_view type, std::string_view status,
                                   AnswerEvents& events) {
  Emit(type, R"("response":)" + Response(status), events);
}

void ResponsesWriter::Emit(std::string_view type, std::string_view members, AnswerEvents& events) {
  std::string data = R"({"type":")";
  data.append(type).append(R"(",)").append(members).append(R"(,"sequence_number":)");
  AppendJsonInteger(data, sequence_++);
  events.push_back({std::string(type), data + "}"});
}

std::string ResponsesWriter::Place() const {
  std::string out = R"("item_id":")" + item_->id + R"(","output_index":)";
  AppendJsonInteger(out, static_cast<int64_t>(output_.size()));
  return out + ",";
}

}  // namespace baton::api
