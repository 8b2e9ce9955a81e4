#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "baton/base/clock.h"
#include "baton/rpc/server.h"
#include "baton/telemetry/trace.h"

namespace baton::worker {

/// A caller's stream that keeps the trace of its request and sends it along: before the first token
/// what led to it, before the last the rest. Only requests that are traced have one.
/// *Threads*: thread-safe; the engine and transport threads both add to the trace and neither may
/// wait for the other, so this has a mutex instead of an owner.
class TracedStream final : public rpc::GenerateStream {
 public:
  /// `clock` outlives this.
  TracedStream(std::shared_ptr<rpc::GenerateStream> stream, const std::string& process,
               Clock& clock);

  /// What the request did since the last stage, until `end`.
  void Stage(std::string name, TimePoint end, std::vector<telemetry::SpanArg> args = {});
  /// What a peer did for the request, by our clock.
  void AddPeer(telemetry::ProcessTrace trace);

  bool SendRoute(const std::string& route) override { return stream_->SendRoute(route); }
  bool SendToken(const TokenOutput& output) override;
  /// With what has been recorded since the last report.
  bool SendReport(const rpc::GenerateReport& report) override;
  void Finish(const Status& status) override;

 private:
  const std::shared_ptr<rpc::GenerateStream> stream_;
  Clock& clock_;
  std::mutex mutex_;
  telemetry::TraceRecorder recorder_;
  std::vector<telemetry::ProcessTrace> peers_;
  bool any_stage_ = false;
  bool any_token_ = false;
};

}  // namespace baton::worker
