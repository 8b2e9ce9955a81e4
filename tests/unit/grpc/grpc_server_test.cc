#include "baton/grpc/grpc_server.h"

#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "baton/v1/completion.grpc.pb.h"
#include "support/certificates.h"
#include "support/fake_backend.h"
#include "support/tiny_tokenizer.h"

namespace baton::grpc {
namespace {

using test::FakeBackend;
using test::Says;
using test::Started;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kTemplate[] =
    "{% for m in messages %}<|start|>{{ m.role }}:{{ m.content }}<|end|>{% endfor %}";

/// A server on a free port, with a fake backend that a test scripts or answers itself.
class GrpcServerTest : public testing::Test {
 protected:
  GrpcServerTest() : tokenizer_(test::MakeTinyTokenizer()) {
    auto parsed = text::ChatTemplate::Parse(kTemplate);
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    if (parsed.ok()) chat_template_.emplace(*std::move(parsed));
    api_options_.model = "tiny";
    api_options_.context_tokens = 256;
    std::string folder = (std::filesystem::temp_directory_path() / "baton-grpc-XXXXXX").string();
    folder_ = mkdtemp(folder.data());
  }
  ~GrpcServerTest() override { std::filesystem::remove_all(folder_); }

  void AskForKeys(const std::string& lines) {
    std::ofstream(folder_ + "/keys") << lines;
    auto opened = access::Gatekeeper::Open(folder_ + "/keys", clock_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    gatekeeper_ = *std::move(opened);
  }
  void StartServer() {
    auto created = api::Frontend::Create(api_options_, backend_, *tokenizer_, &*chat_template_,
                                         metrics_, clock_, gatekeeper_.get());
    ASSERT_TRUE(created.ok()) << created.status();
    frontend_ = *std::move(created);
    auto started = GrpcServer::Start(options_, *frontend_);
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
    ::grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stub_ = v1::Completion::NewStub(
        ::grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(server_->port()),
                                    ::grpc::InsecureChannelCredentials(), arguments));
  }
  /// A call's context, with a deadline that only a failure reaches.
  static std::unique_ptr<::grpc::ClientContext> Context(const std::string& key = "") {
    auto context = std::make_unique<::grpc::ClientContext>();
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    if (!key.empty()) context->AddMetadata("authorization", "Bearer " + key);
    return context;
  }
  static v1::CompleteRequest Prompt(int32_t max_tokens = 8) {
    v1::CompleteRequest request;
    request.add_prompt("Hi");
    request.set_max_tokens(max_tokens);
    return request;
  }
  static v1::ChatRequest Question() {
    v1::ChatRequest request;
    request.add_messages()->set_role("user");
    request.mutable_messages(0)->set_content("Hi");
    return request;
  }
  static std::string ErrorJson(const ::grpc::ClientContext& context) {
    const auto& trailing = context.GetServerTrailingMetadata();
    const auto found = trailing.find("baton-error-bin");
    return found == trailing.end() ? "" : std::string(found->second.data(), found->second.size());
  }
  static std::string Initial(const ::grpc::ClientContext& context, const std::string& name) {
    const auto& initial = context.GetServerInitialMetadata();
    const auto found = initial.find(name);
    return found == initial.end() ? "" : std::string(found->second.data(), found->second.size());
  }

  /// Outlive the server.
  std::unique_ptr<text::Tokenizer> tokenizer_;
  std::optional<text::ChatTemplate> chat_template_;
  telemetry::MetricRegistry metrics_;
  ManualClock clock_;
  FakeBackend backend_;
  api::ApiOptions api_options_;
  GrpcOptions options_;
  std::string folder_;
  std::unique_ptr<access::Gatekeeper> gatekeeper_;
  std::unique_ptr<api::Frontend> frontend_;
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<v1::Completion::Stub> stub_;
};

TEST_F(GrpcServerTest, CompletesInOneMessage) {
  backend_.script = [](Started started) {
    started.Route("local=d1");
    started.Text("Hello", FinishReason::kLength);
  };
  StartServer();
  v1::CompleteResponse response;
  const auto context = Context();
  context->AddMetadata("x-request-id", "mine-7");

  const ::grpc::Status status = stub_->Complete(context.get(), Prompt(), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(response.id(), testing::StartsWith("cmpl-"));
  EXPECT_EQ(response.model(), "tiny");
  ASSERT_EQ(response.choices_size(), 1);
  EXPECT_EQ(response.choices(0).text(), "Hello");
  EXPECT_EQ(response.choices(0).finish_reason(), "length");
  EXPECT_FALSE(response.choices(0).has_logprobs());
  EXPECT_EQ(response.usage().prompt_tokens(), 2);
  EXPECT_EQ(response.usage().completion_tokens(), 5);
  EXPECT_EQ(response.usage().total_tokens(), 7);
  EXPECT_EQ(response.usage().prompt_tokens_details().cached_tokens(), 4);
  EXPECT_EQ(Initial(*context, "x-request-id"), "mine-7");
  EXPECT_EQ(Initial(*context, "x-baton-route"), "local=d1");
}

TEST_F(GrpcServerTest, PassesTheTraceOfItsClientOn) {
  const std::string traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  TraceContext seen;
  backend_.script = [&](Started started) {
    seen = started.request.context;
    started.Text("x", FinishReason::kStop);
  };
  StartServer();
  v1::CompleteResponse response;
  const auto context = Context();
  context->AddMetadata("traceparent", traceparent);
  context->AddMetadata("tracestate", "a=1");
  context->AddMetadata("tracestate", "b=2");

  ASSERT_TRUE(stub_->Complete(context.get(), Prompt(), &response).ok());
  ASSERT_TRUE(seen.valid());
  EXPECT_EQ(Traceparent(seen), traceparent);
  EXPECT_EQ(seen.state, "a=1,b=2");
}

TEST_F(GrpcServerTest, ShowsWhatTokensWereDrawnFrom) {
  backend_.script = Says("A\xE2");
  StartServer();
  v1::ChatRequest request = Question();
  request.set_logprobs(true);
  request.set_top_logprobs(1);
  request.set_return_token_ids(true);
  v1::ChatResponse response;

  const ::grpc::Status status = stub_->Chat(Context().get(), request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.choices_size(), 1);
  const v1::ChatChoice& choice = response.choices(0);
  EXPECT_EQ(choice.message().role(), "assistant");
  EXPECT_THAT(choice.token_ids(), ElementsAre(65, 0xE2));
  ASSERT_EQ(choice.logprobs().content_size(), 2);
  const v1::DrawnToken& first = choice.logprobs().content(0);
  EXPECT_EQ(first.token(), "A");
  EXPECT_FLOAT_EQ(first.logprob(), -0.65F);
  ASSERT_EQ(first.top_logprobs_size(), 1);
  EXPECT_EQ(first.top_logprobs(0).token_id(), 'A');
  EXPECT_EQ(choice.logprobs().content(1).bytes(), "\xE2");
  EXPECT_EQ(choice.logprobs().content(1).token(), "\xEF\xBF\xBD");
}

TEST_F(GrpcServerTest, StreamsAChatWithItsRoleFirstAndItsUsageLast) {
  backend_.script = Says("Hey");
  StartServer();
  v1::ChatRequest request = Question();
  request.mutable_stream_options()->set_include_usage(true);
  const auto context = Context();
  const auto reader = stub_->ChatStream(context.get(), request);

  std::vector<v1::ChatChunk> chunks;
  for (v1::ChatChunk chunk; reader->Read(&chunk);) chunks.push_back(chunk);
  const ::grpc::Status status = reader->Finish();
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(chunks.size(), 5u);
  EXPECT_EQ(chunks[0].choices(0).delta().role(), "assistant");
  std::string text;
  for (size_t i = 1; i < 4; ++i) {
    EXPECT_EQ(chunks[i].choices(0).delta().role(), "");
    EXPECT_EQ(chunks[i].choices(0).has_finish_reason(), i == 3);
    EXPECT_EQ(chunks[i].id(), chunks[0].id());
    text += chunks[i].choices(0).delta().content();
  }
  EXPECT_EQ(text, "Hey");
  EXPECT_EQ(chunks[4].choices_size(), 0);
  EXPECT_EQ(chunks[4].usage().completion_tokens(), 3);
}

TEST_F(GrpcServerTest, NamesTheFieldAtFaultAsHttpDoes) {
  StartServer();
  v1::CompleteRequest request = Prompt();
  request.set_temperature(-1);
  v1::CompleteResponse response;
  const auto context = Context();

  const ::grpc::Status status = stub_->Complete(context.get(), request, &response);
  EXPECT_EQ(status.error_code(), ::grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("temperature"));
  EXPECT_THAT(ErrorJson(*context), HasSubstr(R"("param":"temperature")"));
}

TEST_F(GrpcServerTest, GivesErrorsTheStatusThatFits) {
  backend_.script = [](Started started) { started.End(Unavailable("no decode worker")); };
  StartServer();
  v1::CompleteResponse response;
  EXPECT_EQ(stub_->Complete(Context().get(), Prompt(), &response).error_code(),
            ::grpc::StatusCode::UNAVAILABLE);
  v1::CompleteRequest other = Prompt();
  other.set_model("gpt-9");
  EXPECT_EQ(stub_->Complete(Context().get(), other, &response).error_code(),
            ::grpc::StatusCode::NOT_FOUND);
}

TEST_F(GrpcServerTest, NamesTheRequestInTheLogWhenItFailsForReasonsOfItsOwn) {
  backend_.script = [](const Started&) { throw std::runtime_error("out of luck"); };
  StartServer();
  v1::CompleteResponse response;
  const auto context = Context();
  context->AddMetadata("x-request-id", "mine-7");

  testing::internal::CaptureStderr();
  const ::grpc::Status status = stub_->Complete(context.get(), Prompt(), &response);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("request mine-7: failed: out of luck"));
  EXPECT_EQ(status.error_code(), ::grpc::StatusCode::INTERNAL);
  EXPECT_THAT(status.error_message(), Not(HasSubstr("luck")));
}

TEST_F(GrpcServerTest, EndsAStreamWithTheErrorThatBrokeIt) {
  StartServer();
  const auto context = Context();
  const auto reader = stub_->CompleteStream(context.get(), Prompt());
  Started started = backend_.NextRequest();
  started.Text("ok");
  v1::CompleteResponse chunk;
  ASSERT_TRUE(reader->Read(&chunk));
  started.End(Internal("the worker broke"));

  while (reader->Read(&chunk)) {
  }
  const ::grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), ::grpc::StatusCode::INTERNAL);
  EXPECT_EQ(status.error_message(), "the worker broke");
}

TEST_F(GrpcServerTest, AsksForKeys) {
  AskForKeys("key sha256:" + access::ToHex(access::Sha256("one")) + " name=a requests_at_once=1\n");
  StartServer();
  v1::CompleteResponse response;
  EXPECT_EQ(stub_->Complete(Context().get(), Prompt(), &response).error_code(),
            ::grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(stub_->Complete(Context("two").get(), Prompt(), &response).error_code(),
            ::grpc::StatusCode::UNAUTHENTICATED);
  v1::ModelsResponse models;
  EXPECT_EQ(stub_->Models(Context().get(), {}, &models).error_code(),
            ::grpc::StatusCode::UNAUTHENTICATED);

  const auto context = Context("one");
  const auto reader = stub_->CompleteStream(context.get(), Prompt());
  Started started = backend_.NextRequest();
  EXPECT_NE(started.request.cache_salt, 0u);
  const auto second = Context("one");
  const ::grpc::Status refused = stub_->Complete(second.get(), Prompt(), &response);
  EXPECT_EQ(refused.error_code(), ::grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.error_message(), HasSubstr("requests_at_once is 1"));
  EXPECT_EQ(second->GetServerTrailingMetadata().count("retry-after"), 1u);
  started.Text("x", FinishReason::kLength);
}

TEST_F(GrpcServerTest, CancelsWhatItsClientGaveUp) {
  StartServer();
  const auto context = Context();
  const auto reader = stub_->CompleteStream(context.get(), Prompt());
  Started started = backend_.NextRequest();
  context->TryCancel();
  EXPECT_EQ(backend_.NextCancel(), started.request.id);
  EXPECT_EQ(reader->Finish().error_code(), ::grpc::StatusCode::CANCELLED);
}

TEST_F(GrpcServerTest, CancelsWhatIsNotDoneByItsDeadline) {
  StartServer();
  const auto context = Context();
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(300));
  v1::CompleteResponse response;
  const ::grpc::Status status = stub_->Complete(context.get(), Prompt(), &response);
  EXPECT_EQ(status.error_code(), ::grpc::StatusCode::DEADLINE_EXCEEDED);
  Started started = backend_.NextRequest();
  EXPECT_EQ(backend_.NextCancel(), started.request.id);
}

TEST_F(GrpcServerTest, GivesUpAClientThatDoesNotRead) {
  api_options_.context_tokens = 1 << 20;
  // In every chunk.
  api_options_.system_fingerprint = std::string(size_t{64} << 10, 'f');
  StartServer();
  const auto context = Context();
  const auto reader = stub_->CompleteStream(context.get(), Prompt(4096));
  Started started = backend_.NextRequest();
  for (int i = 0; i < 1024; ++i) started.Token('x');
  EXPECT_EQ(backend_.NextCancel(), started.request.id);

  for (v1::CompleteResponse chunk; reader->Read(&chunk);) {
  }
  EXPECT_EQ(reader->Finish().error_code(), ::grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(GrpcServerTest, CancelsWhatStillRunsWhenItStops) {
  StartServer();
  const auto context = Context();
  const auto reader = stub_->CompleteStream(context.get(), Prompt());
  Started started = backend_.NextRequest();
  server_->Stop();
  EXPECT_EQ(backend_.NextCancel(), started.request.id);
  EXPECT_FALSE(reader->Finish().ok());
  // What the backend still holds reaches nothing.
  started.Text("late", FinishReason::kLength);
}

TEST_F(GrpcServerTest, TurnsTextIntoTokensAndBack) {
  StartServer();
  v1::TokenizeRequest request;
  request.set_prompt("Hi\xC3\xA9");
  request.set_return_token_strs(true);
  v1::TokenizeResponse tokens;
  ASSERT_TRUE(stub_->Tokenize(Context().get(), request, &tokens).ok());
  EXPECT_EQ(tokens.count(), 4);
  EXPECT_EQ(tokens.max_model_len(), 256);
  EXPECT_THAT(tokens.tokens(), ElementsAre('H', 'i', 0xC3, 0xA9));
  EXPECT_EQ(tokens.token_strs(0), "H");

  v1::DetokenizeRequest back;
  *back.mutable_tokens() = tokens.tokens();
  v1::DetokenizeResponse text;
  ASSERT_TRUE(stub_->Detokenize(Context().get(), back, &text).ok());
  EXPECT_EQ(text.prompt(), "Hi\xC3\xA9");
  back.add_tokens(100000);
  EXPECT_EQ(stub_->Detokenize(Context().get(), back, &text).error_code(),
            ::grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(GrpcServerTest, ListsItsModel) {
  StartServer();
  v1::ModelsResponse models;
  ASSERT_TRUE(stub_->Models(Context().get(), {}, &models).ok());
  ASSERT_EQ(models.data_size(), 1);
  EXPECT_EQ(models.data(0).id(), "tiny");
  EXPECT_EQ(models.data(0).max_model_len(), 256);
}

TEST_F(GrpcServerTest, SpeaksTlsWhereItHasACertificate) {
  const test::Authority authority("the authority");
  authority.Issue("server", folder_ + "/server");
  options_.tls = {.certificate = folder_ + "/server.pem", .key = folder_ + "/server.key"};
  StartServer();
  const std::string address = "127.0.0.1:" + std::to_string(server_->port());
  const auto secure = v1::Completion::NewStub(::grpc::CreateChannel(
      address, ::grpc::SslCredentials({.pem_root_certs = authority.certificate(),
                                       .pem_private_key = {},
                                       .pem_cert_chain = {}})));
  v1::ModelsResponse models;
  const ::grpc::Status status = secure->Models(Context().get(), {}, &models);
  EXPECT_TRUE(status.ok()) << status.error_message();
  // The stub of the fixture speaks plainly.
  const auto impatient = Context();
  impatient->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(2));
  EXPECT_FALSE(stub_->Models(impatient.get(), {}, &models).ok());
}

TEST_F(GrpcServerTest, RefusesAPortThatIsTaken) {
  StartServer();
  options_.port = server_->port();
  EXPECT_EQ(GrpcServer::Start(options_, *frontend_).status().code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace baton::grpc
