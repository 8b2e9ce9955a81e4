#include "verdict.h"

#include <gtest/gtest.h>

namespace baton::otlp {
namespace {

using Kind = Verdict::Kind;

TEST(Judge, TakesEverySuccess) {
  EXPECT_EQ(Judge({.http_status = 200, .body = "{}"}).kind, Kind::kTaken);
  EXPECT_EQ(Judge({.http_status = 202}).kind, Kind::kTaken);
}

TEST(Judge, TriesAgainWhereThatMayHelp) {
  for (const int status : {429, 502, 503, 504}) {
    EXPECT_EQ(Judge({.http_status = status}).kind, Kind::kAgain) << status;
  }
  EXPECT_EQ(Judge({.status = Unavailable("x")}).kind, Kind::kAgain);
}

TEST(Judge, TakesAllElseForRefused) {
  for (const int status : {301, 400, 401, 404, 413, 500, 501}) {
    EXPECT_EQ(Judge({.http_status = status}).kind, Kind::kRefused) << status;
  }
}

TEST(Judge, HeedsForHowLongToWait) {
  const auto pause = [](const std::string& retry_after) {
    return Judge({.http_status = 503, .retry_after = retry_after}).pause;
  };
  EXPECT_EQ(pause("7"), std::chrono::seconds(7));
  EXPECT_EQ(pause("99999"), std::chrono::seconds(60));
  for (const char* none : {"", "-1", "soon", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT"}) {
    EXPECT_EQ(pause(none), Duration::zero()) << none;
  }
}

TEST(Judge, CountsWhatWasRejected) {
  const Verdict verdict =
      Judge({.http_status = 200,
             .body = R"({"partialSuccess": {"rejectedSpans": "3", "errorMessage": "too old"}})"});
  EXPECT_EQ(verdict.kind, Kind::kTaken);
  EXPECT_EQ(verdict.rejected, 3);
  EXPECT_EQ(verdict.message, "too old");
  EXPECT_EQ(
      Judge({.http_status = 200, .body = R"({"partialSuccess": {"rejectedSpans": 2}})"}).rejected,
      2);
}

TEST(Judge, SaysWhatTheReceiverSaid) {
  EXPECT_EQ(Judge({.http_status = 400, .body = R"({"code": 3, "message": "bad span"})"}).message,
            "HTTP status 400: bad span");
  EXPECT_EQ(Judge({.http_status = 404, .body = "no\nsuch"}).message, "HTTP status 404: no such");
}

}  // namespace
}  // namespace baton::otlp
