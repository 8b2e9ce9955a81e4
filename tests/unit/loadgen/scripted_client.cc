#include "scripted_client.h"

#include <algorithm>

namespace baton::loadgen {
namespace {

std::string Event(const std::string& json) { return "data: " + json + "\n\n"; }

}  // namespace

Script StreamScript(const std::vector<Duration>& pieces, int prompt_tokens, int output_tokens) {
  Script script;
  for (const Duration at : pieces) {
    script.pieces.push_back({at, Event(R"({"choices":[{"index":0,"text":" a"}]})")});
  }
  script.end_at = pieces.empty() ? Duration() : pieces.back();
  script.pieces.push_back(
      {script.end_at,
       Event(R"({"choices":[],"usage":{"prompt_tokens":)" + std::to_string(prompt_tokens) +
             R"(,"completion_tokens":)" + std::to_string(output_tokens) + "}}") +
           Event("[DONE]")});
  return script;
}

Script AnswerScript(int http_status, const std::string& body) {
  return {.pieces = {{Duration(), body}}, .end = {.http_status = http_status}};
}

void ScriptedClient::Start(HttpCall call, CallHandler& handler) {
  calls.push_back(std::move(call));
  const Script script = answer_(calls.back());
  const TimePoint now = clock_.Now();
  const CallEnd head{.http_status = script.end.http_status};
  for (const Script::Piece& piece : script.pieces) {
    events_.insert({now + piece.at, {.handler = &handler, .bytes = piece.bytes, .end = head}});
  }
  events_.insert({now + script.end_at, {.handler = &handler, .last = true, .end = script.end}});
  most_at_once = std::max(most_at_once, ++running_);
  clock_.Advance(start_takes);
}

void ScriptedClient::Cancel(CallHandler& handler) {
  std::erase_if(events_, [&](const auto& event) { return event.second.handler == &handler; });
  --running_;
}

void ScriptedClient::Wait(Duration at_most) {
  const TimePoint now = clock_.Now();
  const TimePoint limit = now + at_most;
  if (events_.empty() || events_.begin()->first > limit) return clock_.Advance(at_most);
  auto node = events_.extract(events_.begin());
  if (node.key() > now) clock_.Advance(node.key() - now);
  const Event& event = node.mapped();
  if (!event.last) return event.handler->OnBytes(event.end.http_status, event.bytes);
  --running_;
  event.handler->OnEnd(event.end);
}

}  // namespace baton::loadgen
