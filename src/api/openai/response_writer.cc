#include "baton/api/response_writer.h"

#include <algorithm>
#include <unordered_set>

#include "baton/api/json_writer.h"
#include "baton/text/utf8.h"

namespace baton::api {

namespace {

std::string_view ObjectName(bool chat, bool stream) {
  if (!chat) return "text_completion";
  return stream ? "chat.completion.chunk" : "chat.completion";
}

std::string_view FinishName(const ChoiceDelta& delta) {
  switch (delta.finish) {
    case FinishReason::kStop: return delta.stopped_to_call ? R"("tool_calls")" : R"("stop")";
    case FinishReason::kLength: return R"("length")";
    case FinishReason::kNone: break;
  }
  return "null";
}

/// Milliseconds with three decimals.
void AppendMs(std::string& out, std::string_view name, Duration duration) {
  out += name;
  const int64_t us = std::max<int64_t>(0, duration.count() / 1000);
  AppendJsonInteger(out, us / 1000);
  const std::string decimals = std::to_string(1000 + us % 1000);
  out += '.';
  out.append(decimals, 1);
}

void AppendTimings(std::string& out, const Timings& timings) {
  out += R"(,"baton":{)";
  if (const auto& handoff = timings.request.handoff) {
    AppendMs(out, R"("reserve_ms":)", handoff->reserve);
    AppendMs(out, R"(,"queue_ms":)", handoff->queued);
    AppendMs(out, R"(,"prefill_ms":)", handoff->prefill);
    AppendMs(out, R"(,"transfer_ms":)", handoff->transfer);
    AppendMs(out, R"(,"commit_ms":)", handoff->commit);
    out += ',';
  }
  AppendMs(out, R"("admission_ms":)", timings.request.admission);
  AppendMs(out, R"(,"ttft_ms":)", timings.request.ttft);
  AppendMs(out, R"(,"total_ms":)", timings.total);
  out += '}';
}

/// Under both names that clients look for.
void AppendReasoning(std::string& out, const std::string& reasoning) {
  for (const std::string_view name : {R"("reasoning":)", R"(,"reasoning_content":)"}) {
    out += name;
    AppendJsonString(out, reasoning);
  }
}

/// Appends [f(items[0]),f(items[1]),...].
template <typename Items, typename AppendItem>
void AppendArray(std::string& out, const Items& items, AppendItem append) {
  out += '[';
  bool first = true;
  for (const auto& item : items) {
    if (!first) out += ',';
    first = false;
    append(item);
  }
  out += ']';
}

/// Of a chunk with `index`. What begins a call says its id, type and name.
void AppendToolCall(std::string& out, const ToolCallDelta& call, bool chunk) {
  out += '{';
  if (chunk) {
    out += R"("index":)";
    AppendJsonInteger(out, call.index);
    out += ',';
  }
  if (!call.id.empty()) {
    out += R"("id":)";
    AppendJsonString(out, call.id);
    out += R"(,"type":"function",)";
  }
  out += R"("function":{)";
  if (!call.name.empty()) {
    out += R"("name":)";
    AppendJsonString(out, call.name);
    out += ',';
  }
  out += R"("arguments":)";
  AppendJsonString(out, call.arguments);
  out += "}}";
}

void AppendToolCalls(std::string& out, const std::vector<ToolCallDelta>& calls, bool chunk) {
  out += R"("tool_calls":)";
  AppendArray(out, calls, [&](const ToolCallDelta& call) { AppendToolCall(out, call, chunk); });
}

void AppendDelta(std::string& out, const ChoiceDelta& delta) {
  out += R"(,"delta":{)";
  const size_t begin = out.size();
  const auto next = [&] {
    if (out.size() > begin) out += ',';
  };
  if (!delta.reasoning.empty()) AppendReasoning(out, delta.reasoning);
  if (!delta.text.empty()) {
    next();
    out += R"("content":)";
    AppendJsonString(out, delta.text);
  }
  if (!delta.tool_calls.empty()) {
    next();
    AppendToolCalls(out, delta.tool_calls, /*chunk=*/true);
  }
  out += '}';
}

void AppendMessage(std::string& out, const ChoiceDelta& output) {
  out += R"(,"message":{"role":"assistant","content":)";
  const bool says_else = !output.reasoning.empty() || !output.tool_calls.empty();
  if (output.text.empty() && says_else) {
    out += "null";
  } else {
    AppendJsonString(out, output.text);
  }
  out += R"(,"refusal":null)";
  if (!output.reasoning.empty()) {
    out += ',';
    AppendReasoning(out, output.reasoning);
  }
  if (!output.tool_calls.empty()) {
    out += ',';
    AppendToolCalls(out, output.tool_calls, /*chunk=*/false);
  }
  out += '}';
}

}  // namespace

ResponseWriter::ResponseWriter(const ResponseIdentity& identity, const ResponseParts& parts,
                               const text::Tokenizer& tokenizer)
    : chat_(identity.chat), parts_(parts), tokenizer_(tokenizer) {
  head_ = R"({"id":)";
  AppendJsonString(head_, identity.id);
  head_ += R"(,"object":)";
  AppendJsonString(head_, ObjectName(chat_, parts_.stream));
  head_ += R"(,"created":)";
  AppendJsonInteger(head_, identity.created_unix_s);
  head_ += R"(,"model":)";
  AppendJsonString(head_, text::ToValidUtf8(identity.model));
  head_ += R"(,"system_fingerprint":)";
  AppendJsonString(head_, text::ToValidUtf8(identity.system_fingerprint));
  head_ += R"(,"choices":[)";
  chunk_tail_ = parts_.usage_in_chunks ? R"(],"usage":null})" : "]}";
}

void ResponseWriter::AppendIndex(std::string& out, int index) const {
  out += R"({"index":)";
  AppendJsonInteger(out, index);
}

void ResponseWriter::AppendUsage(std::string& out, const Usage& usage) const {
  out += R"({"prompt_tokens":)";
  AppendJsonInteger(out, usage.prompt_tokens);
  out += R"(,"completion_tokens":)";
  AppendJsonInteger(out, usage.completion_tokens);
  out += R"(,"total_tokens":)";
  AppendJsonInteger(out, usage.prompt_tokens + usage.completion_tokens);
  out += R"(,"prompt_tokens_details":{"cached_tokens":)";
  AppendJsonInteger(out, usage.cached_tokens);
  if (parts_.reasoning) {
    out += R"(},"completion_tokens_details":{"reasoning_tokens":)";
    AppendJsonInteger(out, usage.reasoning_tokens);
  }
  out += "}}";
}

void ResponseWriter::AppendRoleChunk(std::string& out, int index) const {
  out += head_;
  AppendIndex(out, index);
  out += R"(,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null})";
  out += chunk_tail_;
}

void ResponseWriter::AppendChunk(std::string& out, int index, const ChoiceDelta& delta,
                                 const std::optional<Usage>& usage) const {
  out += head_;
  AppendIndex(out, index);
  if (!chat_) {
    out += R"(,"text":)";
    AppendJsonString(out, delta.text);
  } else {
    AppendDelta(out, delta);
  }
  AppendTail(out, delta);
  if (!usage) {
    out += chunk_tail_;
    return;
  }
  out += R"(],"usage":)";
  AppendUsage(out, *usage);
  out += '}';
}

void ResponseWriter::AppendLastChunk(std::string& out, const std::optional<Usage>& usage,
                                     const std::optional<Timings>& timings) const {
  out += head_;
  out += ']';
  if (usage) {
    out += R"(,"usage":)";
    AppendUsage(out, *usage);
  }
  if (timings) AppendTimings(out, *timings);
  out += '}';
}

std::string ResponseWriter::Whole(const std::vector<ChoiceDelta>& choices, const Usage& usage,
                                  const std::optional<Timings>& timings) const {
  std::string out = head_;
  for (size_t i = 0; i < choices.size(); ++i) {
    if (i > 0) out += ',';
    AppendIndex(out, static_cast<int>(i));
    if (chat_) {
      AppendMessage(out, choices[i]);
    } else {
      out += R"(,"text":)";
      AppendJsonString(out, choices[i].text);
    }
    AppendTail(out, choices[i]);
  }
  out += ']';
  if (chat_) AppendPromptLogprobs(out, choices.front().prompt_logprobs);
  out += R"(,"usage":)";
  AppendUsage(out, usage);
  if (timings) AppendTimings(out, *timings);
  out += '}';
  return out;
}

/// The fields of a choice that every shape has, and its end.
void ResponseWriter::AppendTail(std::string& out, const ChoiceDelta& delta) const {
  out += R"(,"logprobs":)";
  AppendLogprobs(out, delta);
  if (parts_.token_ids) {
    out += R"(,"token_ids":)";
    AppendArray(out, delta.token_ids, [&](TokenId token) { AppendJsonInteger(out, token); });
  }
  if (!chat_) AppendPromptLogprobs(out, delta.prompt_logprobs);
  out += R"(,"finish_reason":)";
  out += FinishName(delta);
  out += '}';
}

/// [null,{"<token id>":{"logprob":...,"rank":...,"decoded_token":...},...},...]
void ResponseWriter::AppendPromptLogprobs(std::string& out,
                                          const std::vector<TokenRecord>& records) const {
  if (records.empty()) return;
  const auto append = [&](TokenId token, float logprob, int32_t rank) {
    out += '"';
    AppendJsonInteger(out, token);
    out += R"(":{"logprob":)";
    AppendJsonLogprob(out, logprob);
    out += R"(,"rank":)";
    AppendJsonInteger(out, rank);
    out += R"(,"decoded_token":)";
    AppendJsonString(out, text::ToValidUtf8(tokenizer_.TokenBytes(token)));
    out += '}';
  };
  out += R"(,"prompt_logprobs":)";
  AppendArray(out, records, [&](const TokenRecord& record) {
    if (!record.logprob) {
      out += "null";
      return;
    }
    out += '{';
    append(record.token, *record.logprob, record.rank);
    for (size_t i = 0; i < record.top.size(); ++i) {
      if (record.top[i].token == record.token) continue;
      out += ',';
      append(record.top[i].token, record.top[i].logprob, static_cast<int32_t>(i) + 1);
    }
    out += '}';
  });
}

void ResponseWriter::AppendLogprobs(std::string& out, const ChoiceDelta& delta) const {
  // A chunk that only ends a choice has none.
  if (!parts_.logprobs || (parts_.stream && delta.logprobs.empty())) {
    out += "null";
  } else if (chat_) {
    AppendChatLogprobs(out, delta.logprobs);
  } else {
    AppendTextLogprobs(out, delta.logprobs);
  }
}

/// The fields of a token without the closing brace.
void ResponseWriter::AppendTokenLogprob(std::string& out, TokenId token, float logprob) const {
  const std::string& bytes = tokenizer_.TokenBytes(token);
  out += R"({"token":)";
  AppendJsonString(out, text::ToValidUtf8(bytes));
  out += R"(,"logprob":)";
  AppendJsonLogprob(out, logprob);
  out += R"(,"bytes":)";
  AppendArray(out, bytes,
              [&](char byte) { AppendJsonInteger(out, static_cast<unsigned char>(byte)); });
}

void ResponseWriter::AppendChatLogprobs(std::string& out,
                                        const std::vector<TokenRecord>& records) const {
  out += R"({"content":)";
  AppendArray(out, records, [&](const TokenRecord& record) {
    AppendTokenLogprob(out, record.token, record.logprob.value_or(0));
    out += R"(,"top_logprobs":)";
    AppendArray(out, record.top, [&](const TokenLogprob& top) {
      AppendTokenLogprob(out, top.token, top.logprob);
      out += '}';
    });
    out += '}';
  });
  out += R"(,"refusal":null})";
}

/// Half a character cannot be a JSON string; OpenAI's older API writes it as "bytes:\xe2\x80".
std::string ResponseWriter::TokenName(TokenId token) const {
  const std::string& bytes = tokenizer_.TokenBytes(token);
  if (text::IsValidUtf8(bytes)) return bytes;
  std::string name = "bytes:";
  for (const char c : bytes) {
    const unsigned char byte = static_cast<unsigned char>(c);
    name += "\\x";
    name += "0123456789abcdef"[byte >> 4];
    name += "0123456789abcdef"[byte & 15];
  }
  return name;
}

void ResponseWriter::AppendTextLogprobs(std::string& out,
                                        const std::vector<TokenRecord>& records) const {
  out += R"({"text_offset":)";
  AppendArray(out, records,
              [&](const TokenRecord& record) { AppendJsonInteger(out, record.text_offset); });
  out += R"(,"token_logprobs":)";
  AppendArray(out, records, [&](const TokenRecord& record) {
    if (record.logprob) {
      AppendJsonLogprob(out, *record.logprob);
    } else {
      out += "null";
    }
  });
  out += R"(,"tokens":)";
  AppendArray(out, records,
              [&](const TokenRecord& record) { AppendJsonString(out, TokenName(record.token)); });
  out += R"(,"top_logprobs":)";
  AppendArray(out, records, [&](const TokenRecord& record) {
    if (!record.logprob) {
      out += "null";
      return;
    }
    // The drawn token is among them, likely or not; a name that two tokens share stands once.
    std::vector<TokenLogprob> entries = record.top;
    entries.push_back({record.token, *record.logprob});
    std::unordered_set<std::string> seen;
    out += '{';
    for (const TokenLogprob& entry : entries) {
      std::string name = TokenName(entry.token);
      const bool first = seen.empty();
      if (!seen.insert(name).second) continue;
      if (!first) out += ',';
      AppendJsonString(out, name);
      out += ':';
      AppendJsonLogprob(out, entry.logprob);
    }
    out += '}';
  });
  out += '}';
}

}  // namespace baton::api
