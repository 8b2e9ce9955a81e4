#include "api_answer.h"

#include <algorithm>
#include <limits>

#include "http_client.h"

namespace baton::test {

using nlohmann::json;

namespace {

json WithoutIdentity(json part) {
  if (part.is_object())
    for (const char* name : {"id", "created", "created_at", "completed_at", "item_id", "call_id",
                             "request_id", "baton"})
      part.erase(name);
  if (part.is_structured())
    for (json& member : part) member = WithoutIdentity(std::move(member));
  return part;
}

/// Which choice a part is about; those about none come last.
int ChoiceOf(const json& part) {
  const auto choices = part.find("choices");
  if (choices == part.end() || choices->empty()) return std::numeric_limits<int>::max();
  return (*choices)[0]["index"];
}

}  // namespace

Answer Ask(uint16_t port, const std::string& path, const json& body) {
  HttpClient client(port, std::chrono::seconds(60));
  Answer answer;
  if (!body.value("stream", false)) {
    const HttpReply reply = client.Post(path, body.dump());
    answer.status = reply.status;
    answer.parts.push_back(WithoutIdentity(json::parse(reply.body)));
    return answer;
  }
  client.Send("POST", path, body.dump());
  HttpReply head = client.ReadHead();
  answer.status = head.status;
  for (const std::string& event : client.AllEvents()) {
    if (event == "[DONE]") {
      answer.done = true;
    } else {
      answer.parts.push_back(WithoutIdentity(json::parse(event)));
    }
  }
  // How the chunks of several choices interleave is a matter of time.
  std::stable_sort(answer.parts.begin(), answer.parts.end(),
                   [](const json& a, const json& b) { return ChoiceOf(a) < ChoiceOf(b); });
  return answer;
}

std::string TextOf(const Answer& answer, int index) {
  std::string text;
  for (const json& part : answer.parts) {
    for (const json& choice : part.value("choices", json::array())) {
      if (choice["index"] != index) continue;
      if (choice.contains("text")) text += choice["text"].get<std::string>();
      for (const char* name : {"message", "delta"})
        if (choice.contains(name) && choice[name].value("content", json()).is_string())
          text += choice[name]["content"].get<std::string>();
    }
  }
  return text;
}

json TextBody(const json& fields) {
  json body{{"prompt", "Once upon a time there was a"}, {"max_tokens", 12}, {"temperature", 0}};
  body.update(fields);
  return body;
}

json ChatBody(const json& fields) {
  json body{{"messages", {{{"role", "user"}, {"content", "What is the capital of France?"}}}},
            {"max_tokens", 12},
            {"temperature", 0}};
  body.update(fields);
  return body;
}

}  // namespace baton::test
