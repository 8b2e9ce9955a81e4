#include "traced_stream.h"

#include <utility>

namespace baton::worker {

TracedStream::TracedStream(std::shared_ptr<rpc::GenerateStream> stream, const std::string& process,
                           Clock& clock)
    : stream_(std::move(stream)), clock_(clock), recorder_(process, clock.Now()) {}

void TracedStream::Stage(std::string name, TimePoint end, std::vector<telemetry::SpanArg> args) {
  std::lock_guard lock(mutex_);
  any_stage_ = true;
  recorder_.Stage(std::move(name), end, std::move(args));
}

void TracedStream::AddPeer(telemetry::ProcessTrace trace) {
  std::lock_guard lock(mutex_);
  peers_.push_back(std::move(trace));
}

bool TracedStream::SendToken(const TokenOutput& output) {
  {
    std::lock_guard lock(mutex_);
    const bool first = !std::exchange(any_token_, true);
    const char* name = !first ? "decode step" : any_stage_ ? "first token" : "prefill here";
    recorder_.Stage(name, clock_.Now(), {{"position", output.position}});
  }
  if (output.finish != FinishReason::kNone) SendReport({});
  return stream_->SendToken(output);
}

bool TracedStream::SendReport(const rpc::GenerateReport& report) {
  rpc::GenerateReport whole = report;
  {
    std::lock_guard lock(mutex_);
    whole.traces.push_back(recorder_.Take(clock_.Now()));
    for (telemetry::ProcessTrace& peer : peers_) whole.traces.push_back(std::move(peer));
    peers_.clear();
  }
  return stream_->SendReport(whole);
}

void TracedStream::Finish(const Status& status) {
  if (!status.ok()) SendReport({});
  stream_->Finish(status);
}

}  // namespace baton::worker
