#include <csignal>
#include <map>
#include <memory>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/api_answer.h"
#include "support/http_client.h"
#include "support/served_baton.h"

/// The edges of the API that are easily broken, in a split and in a mixed deployment.
namespace baton::test {
namespace {

using nlohmann::json;

/// The deployments that a case has to hold in.
class ApiEdges : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ServedOptions options;
    if (GetParam() == "Mixed") options = {.prefill = 0, .decode = 0, .mixed = 1};
    server_ = std::make_unique<ServedBaton>(options);
    ASSERT_TRUE(server_->WaitReady());
  }
  uint16_t port() const { return server_->port(); }
  /// The worker that draws the first token, and the one that draws the others.
  std::string prefill() const { return GetParam() == "Mixed" ? "m0" : "p0"; }
  std::string decode() const { return GetParam() == "Mixed" ? "m0" : "d0"; }
  void Restart(const std::string& worker) {
    const pid_t before = server_->WorkerPid(worker);
    ASSERT_EQ(kill(before, SIGKILL), 0);
    ASSERT_TRUE(ServedBaton::Until(
        [&] {
          const pid_t now = server_->WorkerPid(worker);
          return now > 0 && now != before && HttpGet(port(), "/readyz").status == 200;
        },
        std::chrono::seconds(60)));
  }

  std::unique_ptr<ServedBaton> server_;
};

TEST_P(ApiEdges, ServeAPromptShorterThanABlock) {
  const Answer answer = Ask(port(), kText, TextBody({{"prompt", {5}}}));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.parts.at(0)["usage"]["prompt_tokens"], 1);
  EXPECT_EQ(answer.parts.at(0)["usage"]["completion_tokens"], 12);
}

TEST_P(ApiEdges, EndWithTheFirstTokenWhenItIsAStop) {
  const json first = Ask(port(), kText, TextBody({{"return_token_ids", true}})).parts.at(0);
  const json token = first["choices"][0]["token_ids"][0];

  const Answer answer = Ask(port(), kText, TextBody({{"stop_token_ids", {token}}}));

  EXPECT_EQ(answer.parts.at(0)["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(answer.parts.at(0)["usage"]["completion_tokens"], 1);
  EXPECT_EQ(TextOf(answer), "");
}

TEST_P(ApiEdges, StreamWhatAWholeAnswerSays) {
  for (const char* path : {kText, kChat}) {
    json body = path == kText ? TextBody() : ChatBody();
    body.update({{"n", 2}, {"temperature", 1}, {"seed", 9}, {"max_tokens", 60}});
    const Answer whole = Ask(port(), path, body);
    body["stream"] = true;
    const Answer stream = Ask(port(), path, body);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(TextOf(stream, i), TextOf(whole, i));
  }
}

TEST_P(ApiEdges, StreamOneIdOneRoleAndOneFinishReasonPerChoice) {
  HttpClient client(port());
  client.Send("POST", kChat, ChatBody({{"stream", true}, {"n", 2}}).dump());
  client.ReadHead();
  std::set<std::string> ids;
  std::map<int, int> roles;
  std::map<int, int> finishes;
  std::set<int> seen;
  for (const std::string& event : client.AllEvents()) {
    if (event == "[DONE]") continue;
    const json chunk = json::parse(event);
    ids.insert(chunk["id"]);
    for (const json& choice : chunk["choices"]) {
      const int index = choice["index"];
      if (choice["delta"].contains("role")) {
        EXPECT_TRUE(seen.insert(index).second) << "not in the first chunk: " << chunk;
        ++roles[index];
      }
      finishes[index] += choice["finish_reason"].is_null() ? 0 : 1;
    }
  }
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_EQ(roles, (std::map<int, int>{{0, 1}, {1, 1}}));
  EXPECT_EQ(finishes, (std::map<int, int>{{0, 1}, {1, 1}}));
}

TEST_P(ApiEdges, RefuseStreamOptionsWithoutAStream) {
  const Answer answer =
      Ask(port(), kText, TextBody({{"stream_options", {{"include_usage", true}}}}));
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.parts.at(0)["error"]["param"], "stream_options");
}

TEST_P(ApiEdges, AnswerTheSameWhicheverWorkerHasThePrefixCached) {
  std::string prompt;
  for (int i = 0; i < 40; ++i) prompt += "the quick brown fox " + std::to_string(i) + " ";
  const json body = TextBody({{"prompt", prompt}, {"logprobs", 2}});
  const Answer cold = Ask(port(), kText, body);
  for (const std::string& worker : {prefill(), decode()}) {
    Restart(worker);
    const Answer half = Ask(port(), kText, body);
    EXPECT_EQ(half.status, 200) << half.parts.at(0);
    EXPECT_EQ(half.parts.at(0)["choices"], cold.parts.at(0)["choices"]) << worker;
    const Answer warm = Ask(port(), kText, body);
    EXPECT_EQ(warm.parts.at(0)["choices"], cold.parts.at(0)["choices"]);
    EXPECT_GT(warm.parts.at(0)["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
  }
}

TEST_P(ApiEdges, GoOnInTheStreamWhenAnEngineDies) {
  HttpClient client(port());
  client.Send("POST", kText,
              TextBody({{"stream", true}, {"max_tokens", 1900}, {"ignore_eos", true}}).dump());
  client.ReadHead();
  ASSERT_TRUE(client.NextEvent().has_value());
  kill(server_->WorkerPid(decode()), SIGKILL);

  const std::vector<std::string> events = client.AllEvents();

  ASSERT_GE(events.size(), 2u);
  EXPECT_EQ(events.back(), "[DONE]");
  EXPECT_EQ(json::parse(events[events.size() - 2])["choices"][0]["finish_reason"], "length");
}

TEST_P(ApiEdges, FreeEverythingThatTwoHundredClientsLeaveBehind) {
  std::vector<std::unique_ptr<HttpClient>> clients;
  const std::string body =
      TextBody({{"stream", true}, {"max_tokens", 1900}, {"ignore_eos", true}}).dump();
  for (int i = 0; i < 200; ++i) {
    clients.push_back(std::make_unique<HttpClient>(port()));
    ASSERT_TRUE(clients.back()->Send("POST", kText, body));
  }
  ASSERT_EQ(clients.back()->ReadHead().status, 200);
  clients.clear();

  EXPECT_TRUE(server_->WaitIdle()) << server_->log();
  EXPECT_EQ(Ask(port(), kText, TextBody()).status, 200);
}

INSTANTIATE_TEST_SUITE_P(Deployments, ApiEdges, testing::Values("Split", "Mixed"),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace baton::test
