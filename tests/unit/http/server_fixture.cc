#include "server_fixture.h"

namespace baton::http {

namespace {

constexpr char kTemplate[] =
    "{% for m in messages %}<|start|>{{ m.role }}:{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant:{% endif %}";

}  // namespace

ServerTest::ServerTest() : tokenizer(MakeTinyTokenizer()) {
  auto parsed = text::ChatTemplate::Parse(kTemplate);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  if (parsed.ok()) chat_template.emplace(*std::move(parsed));
  api_options.model = "tiny";
  api_options.context_tokens = 256;
  api_options.version = "1.2.3";
  api_options.system_fingerprint = "fp_test";
}

void ServerTest::StartServer() {
  auto created = api::Frontend::Create(api_options, backend, *tokenizer,
                                       chat_template ? &*chat_template : nullptr, metrics, clock,
                                       gatekeeper.get());
  ASSERT_TRUE(created.ok()) << created.status();
  frontend = *std::move(created);
  auto started = HttpServer::Start(options, *frontend, clock);
  ASSERT_TRUE(started.ok()) << started.status();
  server = *std::move(started);
}

void ServerTest::AskForKeys(const std::string& lines) {
  testing_support::WriteFile(folder.path() / "keys", lines);
  auto opened = access::Gatekeeper::Open((folder.path() / "keys").string(), clock);
  ASSERT_TRUE(opened.ok()) << opened.status();
  gatekeeper = *std::move(opened);
}

std::vector<json> ServerTest::Stream(const std::string& path, const json& body) {
  HttpClient client(server->port());
  client.Send("POST", path, body.dump());
  const HttpReply head = client.ReadHead();
  EXPECT_EQ(head.status, 200);
  EXPECT_THAT(head.Header("content-type"), HasSubstr("text/event-stream"));
  std::vector<std::string> events = client.AllEvents();
  EXPECT_TRUE(client.stream_complete());
  EXPECT_FALSE(events.empty());
  if (events.empty()) return {};
  EXPECT_EQ(events.back(), "[DONE]");
  std::vector<json> parsed;
  for (size_t i = 0; i + 1 < events.size(); ++i) parsed.push_back(json::parse(events[i]));
  return parsed;
}

double ServerTest::Count(const std::string& path, const std::string& code) const {
  for (const auto& family : metrics.Collect().families) {
    if (family.name != "baton_http_requests_total") continue;
    for (const auto& sample : family.samples) {
      const telemetry::Labels wanted = {{"path", path}, {"code", code}};
      if (testing::Value(sample.labels, testing::UnorderedElementsAreArray(wanted)))
        return sample.value;
    }
  }
  return 0;
}

json ErrorOf(const HttpReply& reply) {
  const json body = json::parse(reply.body, nullptr, false);
  EXPECT_TRUE(body.is_object() && body.contains("error")) << reply.body;
  if (!body.is_object() || !body.contains("error")) return {};
  const json& error = body["error"];
  EXPECT_TRUE(error["message"].is_string()) << reply.body;
  EXPECT_TRUE(error["type"].is_string()) << reply.body;
  EXPECT_TRUE(error.contains("param") && error.contains("code")) << reply.body;
  return error;
}

}  // namespace baton::http
