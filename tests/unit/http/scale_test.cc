#include "server_fixture.h"

namespace baton::http {
namespace {

class ScaleTest : public ServerTest {
 protected:
  HttpReply Scale(const std::string& body, const HttpClient::Headers& more = {}) {
    HttpClient::Headers headers{{"content-type", "application/json"}};
    headers.insert(headers.end(), more.begin(), more.end());
    return HttpClient(server->port()).Post("/scale", body, headers);
  }
};

TEST_F(ScaleTest, AsksTheRouterForTheRolesAndShowsWhatItBegan) {
  StartServer();
  const HttpReply reply =
      Scale(R"({"prefill": 3, "decode": 1, "drain_s": 7, "timeout_s": 9, "dry_run": true})");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(json::parse(reply.body)["number"], 3);
  const auto asked = backend.scale_asked.TryReceive();
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->wanted, (api::RoleCounts{.prefill = 3, .decode = 1}));
  EXPECT_EQ(asked->patience, std::chrono::seconds(7));
  EXPECT_EQ(asked->timeout, std::chrono::seconds(9));
  EXPECT_TRUE(asked->dry_run);
}

TEST_F(ScaleTest, SaysWhyTheRouterDoesNot) {
  backend.scaled = FailedPrecondition("another change is under way");
  StartServer();
  const HttpReply reply = Scale(R"({"mixed": 2})");
  EXPECT_EQ(reply.status, 409);
  EXPECT_EQ(ErrorOf(reply)["message"], "another change is under way");
}

TEST_F(ScaleTest, RefusesASlipWhole) {
  StartServer();
  for (const char* body : {R"({"prefil": 3})", R"({"prefill": -1})", R"({"prefill": "3"})", "3"}) {
    EXPECT_EQ(Scale(body).status, 400) << body;
  }
  EXPECT_FALSE(backend.scale_asked.TryReceive());
}

TEST_F(ScaleTest, TakesNoBodyThatAPageOfAnotherSiteCouldPost) {
  StartServer();
  const HttpReply reply = HttpClient(server->port())
                              .Post("/scale", R"({"mixed": 2})", {{"content-type", "text/plain"}});
  EXPECT_EQ(reply.status, 415);
  EXPECT_FALSE(backend.scale_asked.TryReceive());
}

TEST_F(ScaleTest, IsNotForClientsWithKeysButOnTheOperatorsPort) {
  AskForKeys("key sha256:" + access::ToHex(access::Sha256("one")) + " name=a\n");
  StartServer();
  EXPECT_EQ(Scale(R"({"mixed": 2})").status, 401);
  EXPECT_EQ(Scale(R"({"mixed": 2})", {{"authorization", "Bearer one"}}).status, 403);
  EXPECT_FALSE(backend.scale_asked.TryReceive());
}

TEST_F(ScaleTest, MovesToTheOperatorsPortWhereThereIsOne) {
  options.surface = HttpSurface::kClients;
  StartServer();
  EXPECT_EQ(Scale(R"({"mixed": 2})").status, 404);
}

}  // namespace
}  // namespace baton::http
