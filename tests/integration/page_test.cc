#include <fstream>

#include <gtest/gtest.h>

#include "baton/access/key_file.h"
#include "support/free_port.h"
#include "support/http_client.h"
#include "support/python_clients.h"
#include "support/served_baton.h"
#include "support/tiny_model.h"

/// The live page in a browser, against real processes. tests/integration/page/visit.py has the
/// facts.
namespace baton::test {
namespace {

void Visit(const ServedBaton& server, uint16_t port, const std::string& fact) {
  const ProgramOutcome outcome =
      RunBrowser("visit.py", {fact, "http://127.0.0.1:" + std::to_string(port) + "/"},
                 {"BATON_SERVE_PID=" + std::to_string(server.pid())});
  if (outcome.exit_code == 77)
    GTEST_SKIP() << "Chromium is not installed: tools/install_packages page";
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output << server.log();
}

class Page : public testing::TestWithParam<const char*> {};

TEST_P(Page, OnTheOperatorsPort) {
  const uint16_t admin_port = FreePort();
  ServedBaton server({.arguments = {"--set", "router.admin_port=" + std::to_string(admin_port)}});
  ASSERT_TRUE(server.WaitReady());
  EXPECT_EQ(HttpGet(server.port(), "/").status, 404);
  EXPECT_EQ(HttpGet(server.port(), "/fleet").status, 404);
  Visit(server, admin_port, GetParam());
}

INSTANTIATE_TEST_SUITE_P(
    All, Page,
    testing::Values("it_draws_the_workers_light_and_dark_wide_and_narrow",
                    "it_streams_an_answer_with_its_route_and_times",
                    "it_says_that_the_router_is_gone_and_goes_on_when_it_is_back",
                    "it_shows_what_it_is_told_as_text"),
    [](const auto& fact) { return std::string(fact.param); });

TEST(PageForClients, AsksForAKeyWhereTheServerDoes) {
  const testing_support::TemporaryFolder folder;
  const std::string keys = (folder.path() / "keys").string();
  std::ofstream(keys) << "key sha256:" << access::ToHex(access::Sha256("one")) << " name=a\n";
  ServedBaton server({.arguments = {"--set", "router.api_keys=" + keys}});
  ASSERT_TRUE(server.WaitReady());
  Visit(server, server.port(), "it_asks_for_a_key_where_the_server_does");
}

}  // namespace
}  // namespace baton::test
