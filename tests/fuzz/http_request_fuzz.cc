// The bytes of a connection, in pieces of any size, to answers.
#include "baton/base/check.h"
#include "fuzz_target.h"
#include "http_world.h"
#include "input_reader.h"
#include "request_reader.h"

namespace baton::fuzz {
namespace {

using Progress = http::RequestReader::Progress;

constexpr char kBody[] =
    R"({"model":"tiny","messages":[{"role":"user","content":"Hi"}],"stream":true,"max_tokens":4})";

std::string Post(const std::string& path, const std::string& body,
                 const std::string& headers = "") {
  return "POST " + path + " HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::vector<std::string> Seeds() {
  // The first byte: how large the pieces are in which a connection brings the rest.
  const auto seed = [](uint8_t piece, const std::string& bytes) {
    return std::string(1, static_cast<char>(piece)) + bytes;
  };
  return {
      seed(0, Post("/v1/chat/completions", kBody)),
      seed(7, Post("/v1/completions", R"({"prompt":["a",[1,2]],"n":2,"logprobs":3,"echo":false})",
                   "x-request-id: mine\r\nExpect: 100-continue\r\n")),
      seed(1, "GET /v1/models/tiny?x=%20 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
      seed(0, "\r\nHEAD http://a/health HTTP/1.0\r\n\r\nGET /metrics HTTP/1.1\r\nHost:b\r\n\r\n"),
      seed(3,
           "POST /v1/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
           "8;x=y\r\n{\"prompt\r\n9\r\n\":\"abcd\"}\r\n0\r\nTrailer: t\r\n\r\n")};
}

/// As a connection does: feed, answer, go on with the rest. False when nothing more is read.
bool Advance(http::RequestReader& reader, std::string& pending, HttpWorld& world) {
  while (true) {
    std::string_view bytes = pending;
    const Progress progress = reader.Feed(bytes);
    pending.erase(0, pending.size() - bytes.size());
    switch (progress) {
      case Progress::kNeedMore: return true;
      case Progress::kContinue: break;
      case Progress::kBroken:
        BATON_CHECK(reader.error_status() >= 400 && !reader.error_message().empty());
        BATON_CHECK(http::ReasonPhrase(reader.error_status()) != "Unknown");
        return false;
      case Progress::kDone: {
        http::HttpRequest request = reader.Take();
        BATON_CHECK(request.body.size() <= world.limits().body_bytes);
        const bool keep_alive = request.keep_alive;
        (void)world.Answer(std::move(request));
        if (!keep_alive) return false;
        break;
      }
    }
  }
}

void Run(std::string_view input) {
  static HttpWorld world;
  InputReader bytes(input);
  const uint8_t piece = bytes.Byte();
  std::string_view rest = bytes.Rest();
  http::RequestReader reader(world.limits());
  std::string pending;
  while (!rest.empty()) {
    const size_t size = piece == 0 ? rest.size() : std::min<size_t>(piece, rest.size());
    pending += rest.substr(0, size);
    rest.remove_prefix(size);
    if (!Advance(reader, pending, world)) return;
    BATON_CHECK(pending.size() <= 2 * world.limits().header_bytes + 8192)
        << "bytes pile up that are no request";
  }
}

}  // namespace

const FuzzTarget kTarget{.max_bytes = 12288,
                         .seeds = &Seeds,
                         .words = {"GET ",
                                   "POST ",
                                   "HEAD ",
                                   "OPTIONS ",
                                   " HTTP/1.1\r\n",
                                   " HTTP/1.0\r\n",
                                   "\r\n",
                                   "\r\n\r\n",
                                   "Host: ",
                                   "Content-Length: ",
                                   "Transfer-Encoding: chunked",
                                   "gzip, chunked",
                                   "Content-Encoding: gzip",
                                   "Connection: close",
                                   "Expect: 100-continue",
                                   "x-request-id: ",
                                   "/v1/completions",
                                   "/v1/chat/completions",
                                   "/v1/models/",
                                   "/metrics",
                                   "/version",
                                   "/readyz",
                                   "http://",
                                   "%2e%2f",
                                   "0\r\n\r\n",
                                   "ffffffffffffffff\r\n",
                                   ";a=b",
                                   "18446744073709551615",
                                   " :",
                                   "\r\n "},
                         .run = &Run};

}  // namespace baton::fuzz
