#include "answer.h"

#include "chunk.h"

namespace baton::loadgen {
namespace {

constexpr int kHttpOk = 200;
constexpr size_t kRefusalBytes = 64 << 10;

}  // namespace

void Answer::OnBytes(int http_status, std::string_view bytes, Duration now) {
  if (http_status == kHttpOk) {
    events_.Read(bytes, [&](std::string_view data) { OnEvent(data, now); });
  } else if (refusal_.size() < kRefusalBytes) {
    refusal_ += bytes;
  }
}

void Answer::OnEvent(std::string_view data, Duration now) {
  const Chunk chunk = ReadChunk(data);
  if (!chunk.error.empty()) Fail("error in stream", chunk.error);
  // Tokens that have no text, as that which ends a text, show at the finish at the latest.
  const bool silent = chunk.finish && record_.pieces.empty();
  if (chunk.text || silent) record_.pieces.push_back(now);
  if (chunk.usage) {
    record_.usage = true;
    record_.prompt_tokens = chunk.usage->prompt_tokens;
    record_.output_tokens = chunk.usage->completion_tokens;
  }
  done_ |= chunk.done;
}

void Answer::OnEnd(const CallEnd& end, Duration now) {
  record_.end = now;
  if (!record_.usage) {
    record_.prompt_tokens = record_.planned_prompt_tokens;
    record_.output_tokens = static_cast<int32_t>(record_.pieces.size());
  }
  if (!end.error.empty()) {
    Fail(end.error, end.message);
  } else if (end.http_status != kHttpOk) {
    Fail("http " + std::to_string(end.http_status), ErrorMessage(refusal_));
  } else if (!done_) {
    Fail("cut off", "the stream ended without [DONE]");
  } else if (record_.pieces.empty()) {
    Fail("no text", "the stream held neither text nor a finish");
  }
}

void Answer::Fail(std::string kind, std::string message) {
  // The first failure is the cause of later ones.
  if (record_.outcome == Outcome::kFailed) return;
  record_.outcome = Outcome::kFailed;
  record_.error = std::move(kind);
  record_.message = std::move(message);
}

}  // namespace baton::loadgen
