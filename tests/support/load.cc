#include "support/load.h"

#include <atomic>
#include <thread>

#include <nlohmann/json.hpp>

#include "baton/base/random.h"
#include "support/http_client.h"

namespace baton::test {
namespace {

using nlohmann::json;

constexpr const char* kWords[] = {"the",   "river", "code",  "of",    "a",     "king", "was",
                                  "and",   "4821",  "house", "said",  "in",    "his",  "sea",
                                  "stone", "7",     "night", "could", "water", "went", "is"};

std::string RandomText(Random& random, uint64_t words) {
  std::string text;
  for (uint64_t i = 0; i < words; ++i) {
    if (i > 0) text += random.Below(12) == 0 ? ". " : " ";
    text += kWords[random.Below(std::size(kWords))];
  }
  return text;
}

void AddChoice(const json& reply, Outcome& outcome) {
  if (reply.contains("error")) outcome.error = reply["error"].value("message", "?");
  if (!reply.contains("choices") || reply["choices"].empty()) return;
  const json& choice = reply["choices"][0];
  outcome.text += choice.value("text", "");
  if (choice.contains("logprobs") && !choice["logprobs"].is_null()) {
    const json& logprobs = choice["logprobs"];
    outcome.logprobs += logprobs["tokens"].dump() + logprobs["token_logprobs"].dump();
  }
  if (choice.contains("finish_reason") && choice["finish_reason"].is_string()) {
    outcome.finish_reason = choice["finish_reason"];
  }
}

void ReadStream(HttpClient& client, Outcome& outcome) {
  while (const auto event = client.NextEvent()) {
    if (event->data.empty()) continue;
    if (event->data == "[DONE]") {
      outcome.complete = true;
      continue;
    }
    AddChoice(json::parse(event->data), outcome);
  }
}

}  // namespace

std::string CompletionBody::ToJson() const {
  json body = {{"model", "baton-tiny"},         {"prompt", prompt},
               {"max_tokens", max_tokens},      {"logprobs", 1},
               {"temperature", greedy ? 0 : 1}, {"seed", seed},
               {"ignore_eos", ignore_eos},      {"stream", stream}};
  if (!more.empty()) body.update(json::parse("{" + more + "}"));
  return body.dump();
}

std::vector<CompletionBody> RandomCompletions(uint64_t seed, int count, int words) {
  Random random(seed);
  const std::string shared = RandomText(random, static_cast<uint64_t>(words) / 2);
  std::vector<CompletionBody> bodies;
  for (int i = 0; i < count; ++i) {
    const uint64_t length = 1 + random.Below(static_cast<uint64_t>(words));
    CompletionBody body{.prompt = RandomText(random, length),
                        .max_tokens = 1 + static_cast<int>(random.Below(40)),
                        .greedy = random.Below(2) == 0,
                        .seed = random.Next() >> 12,
                        .ignore_eos = random.Below(2) == 0,
                        .stream = random.Below(2) == 0};
    if (random.Below(2) == 0) body.prompt = shared + " " + body.prompt;
    if (random.Below(3) == 0) body.more = R"("top_k": 20, "top_p": 0.9, "frequency_penalty": 0.5)";
    bodies.push_back(std::move(body));
  }
  return bodies;
}

Outcome Complete(uint16_t port, const CompletionBody& body) {
  Outcome outcome;
  HttpClient client(port, std::chrono::seconds(120));
  if (!client.Send("POST", "/v1/completions", body.ToJson(),
                   {{"content-type", "application/json"}})) {
    return outcome;
  }
  HttpReply reply = client.ReadHead();
  outcome.status = reply.status;
  outcome.route = reply.Header("x-baton-route");
  if (body.stream && reply.status == 200) {
    ReadStream(client, outcome);
    return outcome;
  }
  client.ReadBody(reply);
  outcome.complete = reply.complete;
  const json parsed = json::parse(reply.body, nullptr, false);
  if (!parsed.is_discarded()) AddChoice(parsed, outcome);
  return outcome;
}

std::vector<Outcome> CompleteAll(uint16_t port, const std::vector<CompletionBody>& bodies,
                                 int clients) {
  std::vector<Outcome> outcomes(bodies.size());
  std::atomic<size_t> next{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < clients; ++i) {
    threads.emplace_back([&] {
      for (size_t j; (j = next++) < bodies.size();) outcomes[j] = Complete(port, bodies[j]);
    });
  }
  threads.clear();
  return outcomes;
}

}  // namespace baton::test
