#include "request_spans.h"

#include <algorithm>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::router {
namespace {

using telemetry::ProcessSpans;
using telemetry::ProcessTrace;
using telemetry::TraceSpan;
using testing::ElementsAre;

TimePoint At(int64_t ns) { return TimePoint(Duration(ns)); }

class NoSink final : public telemetry::SpanSink {
 public:
  void Take(ProcessSpans /*spans*/) override {}
};

/// A request from 100 to 200 whose first token comes at 150: d0 has p0 prefill, then decodes.
class RequestSpansTest : public testing::Test {
 protected:
  RequestSpansTest() {
    telemetry::TraceRecorder router("router", At(100));
    router.Stage("queue", At(104));
    router.Stage("route", At(106));
    router.Stage("first token", At(150));
    router.Stage("tokens", At(200), {{"tokens", 3}});
    router_ = router.Take(At(200));

    telemetry::TraceRecorder decode("d0", At(107));
    decode.Stage("queued", At(108));
    decode.Stage("offer", At(110), {{"cached tokens", 2}});
    decode.Stage("wait for commit", At(140));
    decode.Stage("check commit", At(142));
    decode.Stage("first token", At(149));
    decode.Stage("decode step", At(170));
    decode.Stage("decode step", At(190));
    telemetry::TraceRecorder prefill("p0", At(111));
    prefill.Stage("queued", At(115));
    prefill.Stage("prefill", At(130));
    prefill.Record({"chunk", "engine", At(116), At(129), {{"to token", 8}}});
    prefill.Record({"put", "transfers", At(125), At(132), {}});
    prefill.Stage("flush", At(138));
    workers_ = {
        {.trace = decode.Take(At(190)), .role = "decode", .asked_by = {}, .attempt = 1},
        {.trace = prefill.Take(At(138)), .role = "prefill", .asked_by = "d0", .attempt = 1}};
  }

  std::vector<ProcessSpans> Make() {
    TraceSpan request{.where = {.trace = {1, 2}, .span = SpanId(7), .sampled = true},
                      .parent = SpanId(5),
                      .name = "request",
                      .begin = At(100),
                      .end = At(200)};
    return SpansOf(std::move(request), router_, workers_, tracer_);
  }
  /// The first of a name.
  static TraceSpan Find(const ProcessSpans& spans, const std::string& name) {
    for (const TraceSpan& span : spans.spans) {
      if (span.name == name) return span;
    }
    ADD_FAILURE() << spans.process << " has no span " << name;
    return {};
  }
  static std::vector<std::string> Names(const ProcessSpans& spans) {
    std::vector<std::string> names;
    for (const TraceSpan& span : spans.spans) names.push_back(span.name);
    return names;
  }
  static int64_t Number(const TraceSpan& span, const std::string& name) {
    for (const auto& attribute : span.attributes) {
      if (attribute.name == name) return std::get<int64_t>(attribute.value);
    }
    return -1;
  }

  NoSink sink_;
  ManualClock clock_;
  telemetry::Tracer tracer_{sink_, {}, clock_, 1};
  ProcessTrace router_;
  std::vector<WorkerTrace> workers_;
};

TEST_F(RequestSpansTest, AreOfAllProcessesInOneTrace) {
  const auto all = Make();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_THAT(Names(all[0]), ElementsAre("request", "queue", "route", "first token", "tokens"));
  EXPECT_THAT(Names(all[1]), ElementsAre("generate", "queued", "offer", "wait for commit",
                                         "check commit", "first token", "decode"));
  EXPECT_THAT(Names(all[2]), ElementsAre("hand-off", "queued", "prefill", "flush", "chunk", "put"));
  EXPECT_EQ(all[1].role + " " + all[2].role, "decode prefill");
  for (const ProcessSpans& process : all) {
    for (const TraceSpan& span : process.spans) EXPECT_EQ(span.where.trace, (TraceId{1, 2}));
  }
}

TEST_F(RequestSpansTest, HangWhereTheirProcessWasWaitedFor) {
  const auto all = Make();
  EXPECT_EQ(Find(all[0], "request").parent, SpanId(5));
  EXPECT_EQ(Find(all[0], "queue").parent, SpanId(7));
  EXPECT_EQ(Find(all[1], "generate").parent, SpanId(7));
  EXPECT_EQ(Find(all[2], "hand-off").parent, Find(all[1], "wait for commit").where.span);
  EXPECT_EQ(Find(all[2], "chunk").parent, Find(all[2], "prefill").where.span);
  // It goes on in two stages.
  EXPECT_EQ(Find(all[2], "put").parent, Find(all[2], "hand-off").where.span);
}

TEST_F(RequestSpansTest, FollowOneAnotherSoThatTheirTimesAddUp) {
  for (const ProcessSpans& process : Make()) {
    TimePoint end = process.spans.front().begin;
    for (size_t i = 1; i < process.spans.size(); ++i) {
      const TraceSpan& span = process.spans[i];
      if (span.name == "chunk" || span.name == "put") continue;
      EXPECT_EQ(span.begin, end) << process.process << " " << span.name;
      end = span.end;
    }
    EXPECT_EQ(end, process.spans.front().end) << process.process;
  }
}

TEST_F(RequestSpansTest, HaveOneForAllStepsOfADecode) {
  const TraceSpan decode = Find(Make()[1], "decode");
  EXPECT_EQ(decode.begin, At(149));
  EXPECT_EQ(decode.end, At(190));
  EXPECT_EQ(Number(decode, "baton.tokens"), 2);
}

TEST_F(RequestSpansTest, ShowADecodeToItsEndAlthoughStepsWereDropped) {
  workers_[0].trace.dropped = 9;
  workers_[0].trace.answered = At(195);
  EXPECT_EQ(Find(Make()[1], "decode").end, At(195));
}

TEST_F(RequestSpansTest, TellTheAttemptsOfOneWorkerApart) {
  telemetry::TraceRecorder again("d0", At(160));
  again.Stage("prefill here", At(180));
  workers_.push_back(
      {.trace = again.Take(At(180)), .role = "decode", .asked_by = {}, .attempt = 2});
  const auto all = Make();
  ASSERT_EQ(all.size(), 4u);
  EXPECT_THAT(Names(all[3]), ElementsAre("generate", "prefill here"));
  EXPECT_EQ(Number(all[3].spans[0], "baton.attempt"), 2);
  EXPECT_EQ(Number(all[1].spans[0], "baton.attempt"), 1);
}

TEST_F(RequestSpansTest, ShowWhyAnAttemptEnded) {
  telemetry::TraceRecorder router("router", At(100));
  router.Stage("ended: lost", At(120));
  router_ = router.Take(At(200));
  const TraceSpan failed = Find(Make()[0], "failed attempt");
  EXPECT_EQ(failed.error, "lost");
  EXPECT_EQ(failed.end, At(120));
}

}  // namespace
}  // namespace baton::router
