#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "baton/base/latest.h"
#include "baton/loadgen/load_run.h"
#include "unit/loadgen/fake_openai.h"

namespace baton::loadgen {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

/// Longer than any of these takes where nothing is wrong.
constexpr Duration kPatience = seconds(60);

std::unique_ptr<StreamClient> ClientOf(const ServerAddress& address) {
  auto client = MakeCurlClient(address);
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

/// A load of one server, over sockets and in real time.
LoadResult Load(const std::string& url, const LoadOptions& options) {
  const auto client = ClientOf({.url = url});
  const auto prompts = MakeSyntheticPrompts(
      {.prompt_tokens = {.first = 5}, .output_tokens = {.first = 2}}, WordList());
  return RunLoad({.clock = Clock::System(), .client = *client, .prompts = *prompts}, options);
}

LoadOptions AllAtOnce(size_t requests) {
  return {.loop = OpenLoop{std::vector<Duration>(requests)},
          .format = {.model = "m"},
          .timeout = kPatience};
}

TEST(CurlClient, FetchesAnAnswerAndSendsWhatItWasTold) {
  Latest<std::string> latest;
  FakeOpenAi server([&](const std::string& request) {
    latest.Post(request);
    return FakeReply{HttpAnswer(200, "hello")};
  });
  const auto client =
      ClientOf({.url = server.url() + "/v1/", .api_key = "bt-1", .headers = {"X-Team: red"}});
  const auto reply = Fetch(*client, {.path = "/v1/models", .timeout = kPatience});
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->body, "hello");
  const std::string seen = latest.Read();
  EXPECT_THAT(seen, AllOf(HasSubstr("GET /v1/models HTTP/1.1"),
                          HasSubstr("Authorization: Bearer bt-1"), HasSubstr("X-Team: red")));
}

TEST(CurlClient, PostsLongBodiesWithoutAskingFirst) {
  const std::string body(3 << 20, 'x');
  Latest<std::string> latest;
  FakeOpenAi server([&](const std::string& request) {
    latest.Post(request);
    return FakeReply{HttpAnswer(200, "")};
  });
  const auto client = ClientOf({.url = server.url()});
  ASSERT_TRUE(Fetch(*client, {.path = "/p", .body = body, .timeout = kPatience}).ok());
  const std::string seen = latest.Read();
  EXPECT_THAT(seen.substr(0, 300), AllOf(HasSubstr("POST /p"), Not(HasSubstr("Expect"))));
  EXPECT_TRUE(seen.ends_with(body));
}

/// What came so far.
class Received final : public CallHandler {
 public:
  void OnBytes(int, std::string_view bytes) override { text += bytes; }
  void OnEnd(const CallEnd& got) override {
    ended = true;
    end = got;
  }
  std::string text;
  bool ended = false;
  CallEnd end;
};

TEST(CurlClient, HandsOnWhatCameBeforeTheRestIsSent) {
  // The server sends the rest when a second connection waits, which comes after the first text.
  FakeOpenAi server(
      [](const std::string&) {
        return FakeReply{StreamHead() + TextChunk(), TextChunk() + LastChunks()};
      },
      2);
  const auto client = ClientOf({.url = server.url()});
  Received first, second;
  client->Start({.path = "/a", .body = "{}", .timeout = kPatience}, first);
  while (first.text.empty() && !first.ended) client->Wait(seconds(1));
  EXPECT_THAT(first.text, Not(HasSubstr("[DONE]")));
  client->Start({.path = "/b", .body = "{}", .timeout = kPatience}, second);
  while (!first.ended || !second.ended) client->Wait(seconds(1));
  EXPECT_THAT(first.text, HasSubstr("[DONE]"));
  EXPECT_EQ(first.end.error, "");
}

TEST(CurlClient, RunsThousandsOfStreamsAtOnce) {
  // None is answered to the end before all are under way.
  constexpr size_t kStreams = 2000;
  FakeOpenAi server(
      [](const std::string&) {
        return FakeReply{StreamHead() + TextChunk(), TextChunk() + LastChunks()};
      },
      kStreams);
  const LoadResult result = Load(server.url(), AllAtOnce(kStreams));
  ASSERT_THAT(result.records, SizeIs(kStreams));
  for (const Record& record : result.records) {
    ASSERT_TRUE(record.done()) << record.error << ": " << record.message;
    ASSERT_THAT(record.pieces, SizeIs(2));
    ASSERT_GE(record.pieces[0], record.sent);
    ASSERT_GE(record.pieces[1], record.pieces[0]);
    ASSERT_EQ(record.output_tokens, 2);
  }
  EXPECT_EQ(server.connections(), static_cast<int>(kStreams));
}

TEST(CurlClient, KeepsAConnectionForTheNextRequest) {
  FakeOpenAi server(
      [](const std::string&) { return FakeReply{StreamHead() + TextChunk() + LastChunks()}; });
  const LoadResult result =
      Load(server.url(), {.loop = ClosedLoop{1, {.requests = 20}}, .timeout = kPatience});
  EXPECT_THAT(result.records, SizeIs(20));
  EXPECT_EQ(server.connections(), 1);
}

TEST(CurlClient, CallsARefusedConnectionThat) {
  std::string url;
  {
    url = FakeOpenAi([](const std::string&) { return FakeReply{}; }).url();
  }
  const Record record = Load(url, AllAtOnce(1)).records.front();
  EXPECT_EQ(record.error, "connect");
  EXPECT_NE(record.message, "");
}

TEST(CurlClient, CallsAStreamThatBreaksCutOff) {
  FakeOpenAi server([](const std::string&) {
    return FakeReply{.now = StreamHead() + TextChunk(), .close = true};
  });
  const Record record = Load(server.url(), AllAtOnce(1)).records.front();
  EXPECT_EQ(record.error, "cut off");
  EXPECT_THAT(record.pieces, SizeIs(1));
}

TEST(CurlClient, GivesUpAfterTheTimeout) {
  FakeOpenAi server([](const std::string&) { return FakeReply{.now = StreamHead()}; });
  LoadOptions options = AllAtOnce(1);
  options.timeout = std::chrono::milliseconds(100);
  EXPECT_EQ(Load(server.url(), options).records.front().error, "timeout");
}

TEST(CurlClient, TellsWhyTheServerRefuses) {
  FakeOpenAi server([](const std::string&) {
    return FakeReply{HttpAnswer(429, R"({"error":{"message":"later"}})")};
  });
  const Record record = Load(server.url(), AllAtOnce(1)).records.front();
  EXPECT_EQ(record.error, "http 429");
  EXPECT_EQ(record.message, "later");
}

TEST(CurlClient, ForgetsACallThatIsCancelled) {
  FakeOpenAi server(
      [](const std::string&) { return FakeReply{.now = StreamHead() + TextChunk()}; });
  const auto client = ClientOf({.url = server.url()});
  Received handler;
  client->Start({.path = "/a", .body = "{}", .timeout = kPatience}, handler);
  while (handler.text.empty()) client->Wait(seconds(1));
  client->Cancel(handler);
  client->Wait(std::chrono::milliseconds(1));
  EXPECT_FALSE(handler.ended);
}

TEST(CurlClient, WaitsNoLongerThanItIsTold) {
  const auto client = ClientOf({});
  Clock& clock = Clock::System();
  const TimePoint before = clock.Now();
  client->Wait(std::chrono::milliseconds(5));
  EXPECT_GE(clock.Now() - before, std::chrono::milliseconds(5));
}

TEST(CurlClient, RefusesWhatIsNoUrl) {
  EXPECT_EQ(MakeCurlClient({.url = "localhost:8000"}).status().code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace baton::loadgen
