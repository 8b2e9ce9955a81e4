#include "encode.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace baton::otlp {
namespace {

using nlohmann::json;
using telemetry::ProcessSpans;
using telemetry::TraceSpan;

constexpr Duration kAhead{1'700'000'000'000'000'000};
const TraceContext kWhere{.trace = {0x0102030405060708, 9}, .span = SpanId(0xABC), .sampled = true};

TraceSpan SomeSpan() {
  return {.where = kWhere,
          .parent = SpanId(7),
          .kind = TraceSpan::Kind::kServer,
          .name = "POST /v1/completions",
          .begin = TimePoint(Duration(1)),
          .end = TimePoint(Duration(5)),
          .attributes = {},
          .error = {}};
}

json Encode(const std::vector<ProcessSpans>& batch, const Pairs& router = {}) {
  return json::parse(
      EncodeSpans(batch, {.service_name = "llm", .version = "1.2", .router = router}, kAhead));
}

json Encode(TraceSpan span) {
  return Encode({{.process = "router",
                  .role = "router",
                  .spans = {std::move(span)}}})["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
}

/// The attributes of a resource as one object.
json AttributesOf(const json& resource) {
  json all = json::object();
  for (const json& pair : resource["resource"]["attributes"]) {
    all[pair["key"].get<std::string>()] = pair["value"]["stringValue"];
  }
  return all;
}

TEST(EncodeSpans, WritesASpanAsTheMappingWantsIt) {
  const json span = Encode(SomeSpan());
  EXPECT_EQ(span["traceId"], "01020304050607080000000000000009");
  EXPECT_EQ(span["spanId"], "0000000000000abc");
  EXPECT_EQ(span["parentSpanId"], "0000000000000007");
  EXPECT_EQ(span["kind"], 2);
  EXPECT_EQ(span["startTimeUnixNano"], "1700000000000000001");
  EXPECT_EQ(span["endTimeUnixNano"], "1700000000000000005");
  EXPECT_FALSE(span.contains("status"));
  EXPECT_FALSE(span.contains("attributes"));
  EXPECT_FALSE(span.contains("traceState"));
}

TEST(EncodeSpans, WritesWhatOtherTracersSay) {
  TraceSpan span = SomeSpan();
  span.where.state = "a=1,b=2";
  EXPECT_EQ(Encode(span)["traceState"], "a=1,b=2");
}

TEST(EncodeSpans, WritesNoParentForTheFirstSpanOfATrace) {
  TraceSpan span = SomeSpan();
  span.parent = SpanId{};
  span.kind = TraceSpan::Kind::kInternal;
  EXPECT_FALSE(Encode(span).contains("parentSpanId"));
  EXPECT_EQ(Encode(span)["kind"], 1);
}

TEST(EncodeSpans, WritesAFailure) {
  TraceSpan span = SomeSpan();
  span.error = "503";
  EXPECT_EQ(Encode(span)["status"], (json{{"code", 2}, {"message", "503"}}));
}

TEST(EncodeSpans, WritesValuesOfEveryType) {
  TraceSpan span = SomeSpan();
  span.attributes = {{"text", "a"},
                     {"number", int64_t{1} << 60},
                     {"real", 0.5},
                     {"texts", std::vector<std::string>{"stop", "length"}}};
  const json attributes = Encode(span)["attributes"];
  EXPECT_EQ(attributes[0]["value"], (json{{"stringValue", "a"}}));
  EXPECT_EQ(attributes[1]["value"], (json{{"intValue", "1152921504606846976"}}));
  EXPECT_EQ(attributes[2]["value"], (json{{"doubleValue", 0.5}}));
  EXPECT_EQ(attributes[3]["value"]["arrayValue"]["values"][1], (json{{"stringValue", "length"}}));
}

TEST(EncodeSpans, TakesWhatIsNoUtf8) {
  TraceSpan span = SomeSpan();
  span.attributes = {{"url.path", "/a\xff"}};
  EXPECT_EQ(Encode(span)["attributes"][0]["value"]["stringValue"], "/a\xEF\xBF\xBD");
}

TEST(EncodeSpans, MakesOneResourceOfEachProcess) {
  const json whole = Encode({{.process = "d0", .role = "decode", .spans = {SomeSpan()}},
                             {.process = "router", .role = "router", .spans = {SomeSpan()}},
                             {.process = "d0", .role = "decode", .spans = {SomeSpan()}}},
                            {{"service.instance.id", "host:1"},
                             {"k8s.pod.name", "router-x"},
                             {"deployment.environment.name", "test"}});
  const json& resources = whole["resourceSpans"];
  ASSERT_EQ(resources.size(), 2u);
  const json decode = AttributesOf(resources[0]);
  EXPECT_EQ(decode["service.name"], "llm-decode");
  EXPECT_EQ(decode["service.instance.id"], "d0");
  EXPECT_EQ(decode["service.version"], "1.2");
  EXPECT_EQ(decode["deployment.environment.name"], "test");
  EXPECT_FALSE(decode.contains("k8s.pod.name"));
  EXPECT_EQ(resources[0]["scopeSpans"][0]["spans"].size(), 2u);
  const json router = AttributesOf(resources[1]);
  EXPECT_EQ(router["service.name"], "llm");
  EXPECT_EQ(router["service.instance.id"], "host:1");
  EXPECT_EQ(router["k8s.pod.name"], "router-x");
}

}  // namespace
}  // namespace baton::otlp
