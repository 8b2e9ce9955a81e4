#include "http/request_reader.h"

#include <gtest/gtest.h>

namespace baton::http {
namespace {

using Progress = RequestReader::Progress;

Progress FeedAll(RequestReader& reader, std::string_view bytes) { return reader.Feed(bytes); }

TEST(RequestReader, ReadsAChunkedRequestByteByByte) {
  const std::string bytes =
      "POST /v1/completions?x=1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\n\r\n";
  RequestReader reader{HttpLimits{}};
  std::string pending;
  Progress progress = Progress::kNeedMore;
  for (const char c : bytes) {
    ASSERT_EQ(progress, Progress::kNeedMore);
    pending += c;
    std::string_view view = pending;
    progress = reader.Feed(view);
    pending.erase(0, pending.size() - view.size());
  }

  ASSERT_EQ(progress, Progress::kDone);
  const HttpRequest request = reader.Take();
  EXPECT_EQ(request.body, "hello world");
  EXPECT_EQ(request.path, "/v1/completions");
}

TEST(RequestReader, ReadsALastChunkAloneByteByByte) {
  const std::string bytes = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  RequestReader reader{HttpLimits{}};
  std::string_view head = bytes;
  ASSERT_EQ(reader.Feed(head), Progress::kNeedMore);

  std::string pending;
  Progress progress = Progress::kNeedMore;
  for (const char c : std::string("0\r\n\r\n")) {
    pending += c;
    std::string_view view = pending;
    progress = reader.Feed(view);
    pending.erase(0, pending.size() - view.size());
  }
  EXPECT_EQ(progress, Progress::kDone);
}

/// Of a request with these lines in its header.
TraceContext ContextOf(const std::string& lines) {
  const std::string bytes = "GET /a HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n";
  RequestReader reader{HttpLimits{}};
  std::string_view view = bytes;
  EXPECT_EQ(reader.Feed(view), Progress::kDone) << lines;
  return reader.Take().context;
}

TEST(RequestReader, ReadsWhereInATraceTheRequestIs) {
  const std::string line =
      "TraceParent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00\r\n";
  EXPECT_EQ(ContextOf(line).trace.ToString(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_FALSE(ContextOf("").valid());
  EXPECT_FALSE(ContextOf("traceparent: 00-abc\r\n").valid());
  EXPECT_FALSE(ContextOf(line + line).valid());
}

TEST(RequestReader, KeepsWhatOtherTracersSayOnAllTheirLines) {
  const std::string line =
      "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00\r\n";
  EXPECT_EQ(ContextOf(line + "TraceState: a=1 \r\nX: y\r\ntracestate: b=2,c=3\r\n").state,
            "a=1,b=2,c=3");
  EXPECT_EQ(ContextOf(line + "tracestate: a\r\n").state, "");
  EXPECT_EQ(ContextOf("tracestate: a=1\r\n"), TraceContext{});
}

/// Of a request with these lines in its header.
std::string PickOf(const std::string& lines) {
  const std::string bytes = "GET /a HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n";
  RequestReader reader{HttpLimits{}};
  std::string_view view = bytes;
  EXPECT_EQ(reader.Feed(view), Progress::kDone) << lines;
  return reader.Take().prefill_pick.endpoint;
}

TEST(RequestReader, ReadsWhichPrefillWorkerWasPicked) {
  EXPECT_EQ(PickOf("X-Prefiller-Host-Port: 10.0.0.1:8000\r\n"), "10.0.0.1:8000");
  EXPECT_EQ(PickOf("x-prefiller-host-port:  10.0.0.1:8000 , 10.0.0.2:8000\r\n"), "10.0.0.1:8000");
  EXPECT_EQ(PickOf("x-prefiller-host-port: ,\r\n"), "");
  EXPECT_EQ(PickOf(""), "");
}

TEST(RequestReader, LeavesTheNextRequestInTheBytes) {
  RequestReader reader{HttpLimits{}};
  const std::string one = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
  const std::string both = one + "GET /b HTTP/1.1\r\nHost: h\r\n\r\n";
  std::string_view bytes = both;

  ASSERT_EQ(reader.Feed(bytes), Progress::kDone);
  EXPECT_EQ(reader.Take().path, "/a");
  ASSERT_EQ(reader.Feed(bytes), Progress::kDone);
  EXPECT_EQ(reader.Take().path, "/b");
  EXPECT_TRUE(bytes.empty());
}

TEST(RequestReader, AsksForTheBodyThatAClientHoldsBack) {
  RequestReader reader{HttpLimits{}};

  EXPECT_EQ(FeedAll(reader,
                    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
                    "Expect: 100-continue\r\n\r\n"),
            Progress::kContinue);
  EXPECT_EQ(FeedAll(reader, "{}"), Progress::kDone);
}

TEST(RequestReader, ReadsThePathOfAnAbsoluteTarget) {
  RequestReader reader{HttpLimits{}};
  ASSERT_EQ(FeedAll(reader, "GET http://h/v1/models/a%2Fb HTTP/1.1\r\nHost: h\r\n\r\n"),
            Progress::kDone);

  EXPECT_EQ(reader.Take().path, "/v1/models/a/b");
}

TEST(RequestReader, KeepsTheQueryApartFromThePath) {
  RequestReader reader{HttpLimits{}};
  ASSERT_EQ(FeedAll(reader, "GET /readyz?verbose&x=%2F HTTP/1.1\r\nHost: h\r\n\r\n"),
            Progress::kDone);

  const HttpRequest request = reader.Take();
  EXPECT_EQ(request.path, "/readyz");
  EXPECT_EQ(request.query, "verbose&x=%2F");
}

struct Broken {
  const char* name;
  std::string bytes;
  int status;
};

class BrokenRequest : public testing::TestWithParam<Broken> {};

TEST_P(BrokenRequest, IsRefusedWithItsStatus) {
  HttpLimits limits;
  limits.body_bytes = 1000;
  RequestReader reader(limits);

  EXPECT_EQ(FeedAll(reader, GetParam().bytes), Progress::kBroken);
  EXPECT_EQ(reader.error_status(), GetParam().status);
}

std::string Post(const std::string& headers, const std::string& body) {
  return "POST / HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n" + body;
}

INSTANTIATE_TEST_SUITE_P(
    All, BrokenRequest,
    testing::Values(
        Broken{"NoHttp", "hello\r\n\r\n", 400},
        Broken{"Http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
        Broken{"NoHost", "GET / HTTP/1.1\r\n\r\n", 400},
        Broken{"TwoHosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        Broken{"HugeHeader", "GET / HTTP/1.1\r\nHost: " + std::string(20000, 'a'), 431},
        Broken{"HugeBody", Post("Content-Length: 1001\r\n", ""), 413},
        Broken{"HugeChunk", Post("Transfer-Encoding: chunked\r\n", "3e9\r\n"), 413},
        Broken{"NegativeLength", Post("Content-Length: -1\r\n", ""), 400},
        Broken{"TwoLengths", Post("Content-Length: 1\r\nContent-Length: 2\r\n", "ab"), 400},
        Broken{"LengthAndChunks",
               Post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
        Broken{"GzipAndChunks", Post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 400},
        Broken{"OtherEncoding", Post("Transfer-Encoding: identity\r\n", ""), 400},
        Broken{"CompressedBody", Post("Content-Encoding: gzip\r\nContent-Length: 1\r\n", "x"), 415},
        Broken{"BadChunk", Post("Transfer-Encoding: chunked\r\n", "zz\r\n"), 400},
        Broken{"EndlessChunkExtension",
               Post("Transfer-Encoding: chunked\r\n", "1;" + std::string(30000, 'a')), 400},
        Broken{"OtherExpectation", Post("Expect: cake\r\nContent-Length: 1\r\n", "x"), 417}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace baton::http
