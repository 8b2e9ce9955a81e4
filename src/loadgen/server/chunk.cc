#include "chunk.h"

#include <nlohmann/json.hpp>

#include "baton/base/json_nesting.h"

namespace baton::loadgen {
namespace {

using Json = nlohmann::json;

/// Of a body that is no JSON, what is worth showing.
constexpr size_t kShownBytes = 200;

Json Parse(std::string_view text) {
  if (JsonNesting(text) > kMaxJsonNesting) return Json(Json::value_t::discarded);
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

const Json* Find(const Json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

bool HasText(const Json& object, const char* name) {
  const Json* text = Find(object, name);
  return text != nullptr && text->is_string() && !text->get_ref<const std::string&>().empty();
}

bool ChoiceHasText(const Json& choice) {
  if (HasText(choice, "text")) return true;
  const Json* delta = Find(choice, "delta");
  if (delta == nullptr) return false;
  const Json* calls = Find(*delta, "tool_calls");
  return HasText(*delta, "content") || HasText(*delta, "reasoning_content") ||
         HasText(*delta, "reasoning") || (calls != nullptr && !calls->empty());
}

int32_t Count(const Json& usage, const char* name) {
  const Json* count = Find(usage, name);
  return count != nullptr && count->is_number_integer() ? count->get<int32_t>() : 0;
}

std::string MessageOf(const Json& error) {
  if (error.is_string()) return error.get<std::string>();
  for (const char* name : {"message", "detail"}) {
    const Json* message = Find(error, name);
    if (message != nullptr && message->is_string()) return message->get<std::string>();
  }
  return error.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, kShownBytes);
}

/// The chunk of nearly every token, read without a document: what stands in quotation marks has
/// none unescaped, so that these bytes are what they seem.
bool ReadCommonChunk(std::string_view data, Chunk& chunk) {
  if (data.find("\"usage\":{") != data.npos || data.find("\"error\"") != data.npos) return false;
  for (const std::string_view begin : {R"("text":")", R"("content":")"}) {
    const size_t at = data.find(begin);
    if (at == data.npos || at + begin.size() >= data.size()) continue;
    if (data[at + begin.size()] == '"' || data.back() != '}') continue;
    chunk.text = true;
    return true;
  }
  return false;
}

}  // namespace

Chunk ReadChunk(std::string_view data) {
  Chunk chunk;
  if (data == "[DONE]") {
    chunk.done = true;
    return chunk;
  }
  if (ReadCommonChunk(data, chunk)) return chunk;
  const Json json = Parse(data);
  if (!json.is_object()) {
    chunk.error = "an event is no JSON object: " + std::string(data.substr(0, kShownBytes));
    return chunk;
  }
  if (const Json* error = Find(json, "error")) chunk.error = MessageOf(*error);
  if (const Json* choices = Find(json, "choices"); choices != nullptr && choices->is_array()) {
    for (const Json& choice : *choices) {
      chunk.text |= ChoiceHasText(choice);
      chunk.finish |= Find(choice, "finish_reason") != nullptr;
    }
  }
  if (const Json* usage = Find(json, "usage"); usage != nullptr && usage->is_object()) {
    chunk.usage = TokenUsage{Count(*usage, "prompt_tokens"), Count(*usage, "completion_tokens")};
  }
  return chunk;
}

std::string ErrorMessage(std::string_view body) {
  const Json json = Parse(body);
  if (!json.is_object()) return std::string(body.substr(0, kShownBytes));
  const Json* error = Find(json, "error");
  return MessageOf(error == nullptr ? json : *error);
}

}  // namespace baton::loadgen
