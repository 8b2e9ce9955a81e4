#include "baton/base/random.h"
#include "server_fixture.h"

namespace baton::http {
namespace {

constexpr int kRequests = 10'000;

/// Makes broken requests from sound ones. The same seed gives the same requests.
class Breaker {
 public:
  explicit Breaker(uint64_t seed) : random_(seed) {}

  struct Case {
    std::string bytes;
    /// Nothing follows: the client closes its side, as the request is never whole.
    bool truncated = false;
  };

  Case Next() {
    switch (random_.Below(6)) {
      case 0: return {Framed(BrokenJson())};
      case 1: return {Framed(WrongType())};
      case 2: return {Framed(HugeNumber())};
      case 3: return Truncated();
      case 4: return {Framed(InvalidUtf8())};
      default: return {BrokenHeader()};
    }
  }

 private:
  std::string Pick(const std::vector<std::string>& from) {
    return from[random_.Below(from.size())];
  }
  std::string Noise(size_t most) {
    std::string noise;
    for (size_t i = random_.Below(most) + 1; i > 0; --i)
      noise += static_cast<char>(random_.Below(256));
    return noise;
  }
  std::string Path() { return Pick({"/v1/completions", "/v1/chat/completions"}); }
  std::string Good() {
    return Pick({R"({"prompt":"hello","max_tokens":4,"temperature":0.5})",
                 R"({"messages":[{"role":"user","content":"hello"}],"stop":["a"]})"});
  }
  std::string Framed(const std::string& body) {
    return "POST " + Path() +
           " HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           body;
  }

  /// Sound JSON with a bracket too few, or broken in the middle.
  std::string BrokenJson() {
    std::string body = Good();
    switch (random_.Below(4)) {
      case 0: return body.substr(0, random_.Below(body.size()));
      case 1: return body.insert(random_.Below(body.size()), "\x01");
      case 2: return body + Pick({"]", "}", ",", "x", "\"", "{}"});
      default: return std::string(random_.Below(2000), '[');
    }
  }
  std::string WrongType() {
    const std::string field =
        Pick({"prompt", "messages", "temperature", "top_p", "n", "max_tokens", "stop", "stream",
              "seed", "logprobs", "stream_options", "stop_token_ids", "baton", "model"});
    const std::string value = Pick({"{}", "[[[]]]", "{\"a\":{\"b\":[]}}", "[{}]", "[null]"});
    // Without a prompt, what happens to be right is refused as well.
    return "{\"" + field + "\":" + value + "}";
  }
  std::string HugeNumber() {
    const std::string field = Pick({"temperature", "top_p", "n", "max_tokens", "min_p", "top_k",
                                    "min_tokens", "repetition_penalty"});
    const std::string value =
        Pick({"1e999", "-1e999", "1e308", "99999999999999999999999", "-9223372036854775809", "NaN",
              "Infinity", "1e-", "0x10", "-", "1" + std::string(5000, '0')});
    return "{\"" + field + "\":" + value + "}";
  }
  std::string InvalidUtf8() {
    const std::string bad = Pick({"\xff", "\xc3\x28", "\xe2\x82", "\xf0\x9f\x98", "\xc0\xaf",
                                  "\xed\xa0\x80", "\\ud800", "\\udc00\\ud800", "\\u12"});
    std::string body = Good();
    return body.replace(body.find("hello"), 5, bad);
  }
  Case Truncated() {
    const std::string bytes = Framed(Good());
    return {bytes.substr(0, 1 + random_.Below(bytes.size() - 2)), true};
  }
  std::string BrokenHeader() {
    const std::string head = "POST " + Path() + " HTTP/1.1\r\nHost: h\r\n";
    switch (random_.Below(8)) {
      case 0: return Noise(200) + "\r\n\r\n";
      case 1: return head + "Content-Length: " + Pick({"-1", "x", "1,2", "0x10", ""}) + "\r\n\r\n";
      case 2: return head + Noise(50) + ": " + Noise(50) + "\r\n\r\n";
      case 3: return head + "Content-Length: 99999999999999999999\r\n\r\n";
      case 4: return head + "X: " + std::string(20000, 'x') + "\r\n\r\n";
      case 5: return head + "Transfer-Encoding: chunked\r\n\r\n" + Noise(20) + "\r\n\r\n";
      case 6: return head + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n";
      default: return "POST " + Noise(30) + " HTTP/9.9\r\n\r\n";
    }
  }

  Random random_;
};

class MalformedTest : public ServerTest {
 protected:
  void ExpectRefused(const Breaker::Case& request, const std::string& trace) {
    HttpClient client(server->port());
    ASSERT_TRUE(client.connected()) << trace;
    client.SendRaw(request.bytes);
    // A header may be broken in that its end never comes; the client has nothing more to say.
    client.ShutdownWrite();
    const HttpReply reply = client.ReadReply();
    if (reply.status == 0) return;
    EXPECT_TRUE(reply.status >= 400 && reply.status < 500)
        << trace << "status " << reply.status << " for " << testing::PrintToString(request.bytes);
    ErrorOf(reply);
  }
};

TEST_F(MalformedTest, TenThousandBrokenRequestsAreRefusedAndAGoodOneIsServed) {
  backend.script = Says("x");
  StartServer();

  for (uint64_t seed = 0; seed < kRequests && !HasFailure(); ++seed)
    ExpectRefused(Breaker(seed).Next(), "seed " + std::to_string(seed) + ": ");

  const HttpReply reply = Complete({{"prompt", "hello"}});
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(json::parse(reply.body)["choices"][0]["text"], "x");
}

}  // namespace
}  // namespace baton::http
