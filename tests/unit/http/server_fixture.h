#pragma once

#include <memory>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "baton/http/http_server.h"
#include "support/fake_backend.h"
#include "support/http_client.h"
#include "support/openapi_schema.h"
#include "support/tiny_model.h"
#include "support/tiny_tokenizer.h"

namespace baton::http {

using nlohmann::json;
using test::Bytes;
using test::FakeBackend;
using test::HttpClient;
using test::HttpReply;
using test::kEndToken;
using test::kHelloToken;
using test::kStartToken;
using test::kTinyVocabulary;
using test::kWideToken;
using test::MakeTinyTokenizer;
using test::OpenApiSchema;
using test::Says;
using test::Started;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A server on a free port, with a fake backend that a test scripts or answers itself.
class ServerTest : public testing::Test {
 protected:
  ServerTest();

  /// Change `options` and `backend` before this.
  void StartServer();
  HttpReply Post(const std::string& path, const json& body) {
    return test::HttpPost(server->port(), path, body.dump());
  }
  HttpReply Complete(const json& body) { return Post("/v1/completions", body); }
  HttpReply Chat(const json& body) { return Post("/v1/chat/completions", body); }
  /// The events of a stream, parsed; the last one must be [DONE] and is left out.
  std::vector<json> Stream(const std::string& path, const json& body);
  /// The value of baton_http_requests_total.
  double Count(const std::string& path, const std::string& code) const;

  /// Makes the server ask for the keys of a file with `lines`. Before StartServer.
  void AskForKeys(const std::string& lines);

  /// Outlive the server, which a test may end early.
  std::unique_ptr<text::Tokenizer> tokenizer;
  std::optional<text::ChatTemplate> chat_template;
  telemetry::MetricRegistry metrics;
  ManualClock clock;
  FakeBackend backend;
  api::ApiOptions api_options;
  HttpOptions options;
  testing_support::TemporaryFolder folder;
  std::unique_ptr<access::Gatekeeper> gatekeeper;
  std::unique_ptr<api::Frontend> frontend;
  std::unique_ptr<HttpServer> server;
};

/// {"message", "type", "param", "code"} of an error reply, checked for its shape.
json ErrorOf(const HttpReply& reply);

inline const json kMessages = {{{"role", "user"}, {"content", "Hi"}}};

}  // namespace baton::http
