#include "baton/loadgen/probe.h"

#include <algorithm>
#include <optional>

#include <nlohmann/json.hpp>

#include "baton/base/json_nesting.h"
#include "chunk.h"

namespace baton::loadgen {
namespace {

using Json = nlohmann::json;

constexpr int kOk = 200;
constexpr int kUnauthorized = 401;
constexpr int kForbidden = 403;
/// What every measured text begins with, so that no word is measured at the beginning of a text.
constexpr char kFirst[] = " the";
constexpr char kByWords[] = "counted by words, each as one token, as the server has no /tokenize";

Json Parse(const std::string& text) {
  if (JsonNesting(text) > kMaxJsonNesting) return {};
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

/// The ids of {"data": [{"id": "..."}]}.
std::vector<std::string> ModelIds(const std::string& body) {
  std::vector<std::string> ids;
  const Json json = Parse(body);
  if (!json.is_object() || !json.contains("data") || !json["data"].is_array()) return ids;
  for (const Json& model : json["data"]) {
    if (model.is_object() && model.contains("id") && model["id"].is_string())
      ids.push_back(model["id"]);
  }
  return ids;
}

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

/// Counts the tokens of texts by the server.
class Tokenizer {
 public:
  Tokenizer(StreamClient& client, std::string model) : client_(client), model_(std::move(model)) {}

  std::optional<int32_t> Count(const std::string& text) const {
    return Ask({{"model", model_}, {"prompt", text}});
  }
  std::optional<int32_t> CountChat(const std::string& text) const {
    return Ask({{"model", model_}, {"messages", {{{"role", "user"}, {"content", text}}}}});
  }

 private:
  std::optional<int32_t> Ask(const Json& body) const {
    const auto reply = Fetch(client_, {.path = "/tokenize", .body = body.dump()});
    if (!reply.ok() || reply->status != kOk) return std::nullopt;
    const Json json = Parse(reply->body);
    if (!json.is_object()) return std::nullopt;
    if (json.contains("count") && json["count"].is_number_integer()) return json["count"];
    if (json.contains("tokens") && json["tokens"].is_array())
      return static_cast<int32_t>(json["tokens"].size());
    return std::nullopt;
  }

  StreamClient& client_;
  const std::string model_;
};

/// What each word costs behind `first`, which costs `base`; nothing when the server stops counting.
std::optional<std::vector<int32_t>> CostsOf(const Tokenizer& tokenizer, int32_t base) {
  const auto words = CommonWords();
  std::string all = kFirst;
  for (const std::string_view word : words) (all += ' ') += word;
  const std::optional<int32_t> together = tokenizer.Count(all);
  if (!together) return std::nullopt;
  std::vector<int32_t> costs(words.size(), 1);
  // Large tokenizers have a token for each: one question was enough.
  if (*together - base == static_cast<int32_t>(words.size())) return costs;
  for (size_t i = 0; i < words.size(); ++i) {
    const auto count = tokenizer.Count(std::string(kFirst) + ' ' + std::string(words[i]));
    if (!count) return std::nullopt;
    costs[i] = *count - base;
  }
  return costs;
}

/// How a text of known cost is counted: whether words' tokens add up in this tokenizer.
std::string Verify(const Tokenizer& tokenizer, const WordList& words, int32_t overhead) {
  constexpr int32_t kTokens = 256;
  std::string text;
  words.Append(text, kTokens, Random(1));
  const int32_t counted = tokenizer.Count(text).value_or(0) - overhead;
  std::string how = "counted by the server's /tokenize";
  if (counted != kTokens) {
    how += "; a text made to have " + std::to_string(kTokens) + " tokens has " +
           std::to_string(counted);
  }
  return how;
}

}  // namespace

Result<std::string> FindModel(StreamClient& client, const std::string& url,
                              const std::string& wanted) {
  const auto reply = Fetch(client, {.path = "/v1/models"});
  if (!reply.ok()) {
    return Unavailable("no server answers at " + url + " (" + reply.status().message() +
                       "); start it, or name another with --url");
  }
  if (reply->status == kUnauthorized || reply->status == kForbidden) {
    return Unavailable(url + " asks for a key (" + ErrorMessage(reply->body) +
                       "); give it with --api-key or OPENAI_API_KEY");
  }
  const std::vector<std::string> served =
      reply->status == kOk ? ModelIds(reply->body) : std::vector<std::string>();
  if (served.empty() && !wanted.empty()) return wanted;
  if (served.empty()) {
    return NotFound(url + "/v1/models lists no model (HTTP " + std::to_string(reply->status) +
                    "); name one with --model");
  }
  if (wanted.empty()) return served.front();
  if (std::find(served.begin(), served.end(), wanted) != served.end()) return wanted;
  return NotFound(url + " does not serve the model '" + wanted +
                  "'; set --model to one of: " + Join(served));
}

WordCount CountWords(StreamClient& client, const std::string& model, bool chat) {
  const Tokenizer tokenizer(client, model);
  const std::string once = kFirst;
  const auto base = tokenizer.Count(once);
  const auto twice = tokenizer.Count(once + once);
  if (!base || !twice) return {.how = kByWords};
  const auto costs = CostsOf(tokenizer, *base);
  if (!costs) return {.how = kByWords};
  const int32_t first = *twice - *base;
  const int32_t plain = *base - first;
  int32_t overhead = plain;
  if (chat) overhead = tokenizer.CountChat(once).value_or(*base) - first;
  const WordList words(*costs, std::max(overhead, 0));
  return {.words = words, .by_tokenizer = true, .how = Verify(tokenizer, words, plain)};
}

}  // namespace baton::loadgen
