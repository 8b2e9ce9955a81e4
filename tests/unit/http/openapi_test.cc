#include "baton/api/openapi.h"

#include <set>

#include "http/routes.h"
#include "server_fixture.h"

namespace baton::http {
namespace {

using OpenApi = ServerTest;

TEST_F(OpenApi, DescribesThePathsThatThereAre) {
  StartServer();
  const json document = json::parse(api::OpenApiJson());
  std::set<std::string> described;
  for (const auto& [path, operations] : document["paths"].items())
    for (const auto& [method, operation] : operations.items())
      described.insert(method + " " + path.substr(0, path.find('{')));
  std::set<std::string> routes;
  for (const auto& [path, get] : Routes(*frontend, options).Paths())
    routes.insert((get ? "get " : "post ") + path);

  EXPECT_EQ(described, routes);
}

TEST_F(OpenApi, IsServed) {
  StartServer();
  const HttpReply reply = test::HttpGet(server->port(), "/openapi.json");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(json::parse(reply.body), json::parse(api::OpenApiJson()));
}

TEST_F(OpenApi, FindsModelsWhoseNamesHaveSlashesEncodedOrNot) {
  api_options.model = "org/model a";
  StartServer();
  for (const char* name : {"org/model%20a", "org%2Fmodel%20a"})
    EXPECT_EQ(
        json::parse(test::HttpGet(server->port(), std::string("/v1/models/") + name).body)["id"],
        "org/model a");
  EXPECT_EQ(test::HttpGet(server->port(), "/v1/models/org").status, 404);
}

}  // namespace
}  // namespace baton::http
