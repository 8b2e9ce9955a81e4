#include "verdict.h"

#include <algorithm>
#include <charconv>

#include <nlohmann/json.hpp>

#include "baton/base/json_nesting.h"

namespace baton::otlp {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostShownBytes = 200;
/// However long a receiver asks to wait.
constexpr int64_t kLongestPauseS = 60;

/// Without what is no object of JSON.
Json Parse(const std::string& text) {
  if (JsonNesting(text) > kMaxJsonNesting) return Json::object();
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : Json::object();
}

std::string Text(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

/// Seconds; a date is taken for none.
Duration PauseOf(const std::string& retry_after) {
  int64_t seconds = 0;
  const char* const last = retry_after.data() + retry_after.size();
  const auto [end, error] = std::from_chars(retry_after.data(), last, seconds);
  if (error != std::errc() || end != last || seconds < 0) return {};
  return std::chrono::seconds(std::min(seconds, kLongestPauseS));
}

std::string Shown(const Answer& answer) {
  const std::string message = Text(Parse(answer.body), "message");
  std::string shown = (message.empty() ? answer.body : message).substr(0, kMostShownBytes);
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, ' ');
  return "HTTP status " + std::to_string(answer.http_status) + (shown.empty() ? "" : ": " + shown);
}

/// A number of 64 bits may be one, or a string.
int64_t Count(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end()) return 0;
  if (found->is_number_integer()) return found->get<int64_t>();
  int64_t count = 0;
  const std::string text = found->is_string() ? found->get<std::string>() : "";
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

}  // namespace

Verdict Judge(const Answer& answer) {
  using Kind = Verdict::Kind;
  if (!answer.status.ok()) return {.kind = Kind::kAgain, .message = answer.status.message()};
  if (answer.http_status / 100 == 2) {
    const Json json = Parse(answer.body);
    const auto partial = json.find("partialSuccess");
    if (partial == json.end() || !partial->is_object()) return {};
    return {.kind = Kind::kTaken,
            .rejected = std::max<int64_t>(0, Count(*partial, "rejectedSpans")),
            .message = Text(*partial, "errorMessage").substr(0, kMostShownBytes)};
  }
  switch (answer.http_status) {
    case 429:
    case 502:
    case 503:
    case 504:
      return {.kind = Kind::kAgain, .pause = PauseOf(answer.retry_after), .message = Shown(answer)};
    default: return {.kind = Kind::kRefused, .message = Shown(answer)};
  }
}

}  // namespace baton::otlp
