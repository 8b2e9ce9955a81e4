// What is under way in a worker, for people who look for what holds it up. What a thread owns it is
// asked for; one that is stuck does not answer, and the rest is told all the same.
#include <sstream>
#include <unordered_map>

#include "baton/base/gate.h"
#include "baton/base/logging.h"
#include "worker_core.h"

namespace baton::worker {
namespace {

/// How long a thread may take to say what it is at.
constexpr Duration kPatience = std::chrono::seconds(1);

/// What another thread is asked for. Shared with it, as it may answer when nobody waits any more.
template <typename Value>
struct Asked {
  Gate answered;
  Value value;
};

std::string DescribeStage(const engine::SequenceReport& report) {
  std::ostringstream out;
  out << "stage=" << report.state << " prompt_tokens=" << report.prompt_tokens
      << " tokens=" << report.tokens << " computed=" << report.computed
      << " blocks=" << report.blocks;
  return out.str();
}

void LogLines(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) BATON_LOG(Info) << "dump: " << line;
}

}  // namespace

void WorkerCore::DumpWork(const std::string& why) {
  using Sequences = std::unordered_map<SequenceId, engine::SequenceReport>;
  // A router that takes a worker for stuck calls its requests off: before anybody is waited for.
  const auto requests = generate_->Entries();
  const auto sequences = std::make_shared<Asked<Sequences>>();
  const bool asked = engine_->Inspect([sequences](std::vector<engine::SequenceReport> reports) {
    for (engine::SequenceReport& report : reports) {
      sequences->value[report.sequence] = std::move(report);
    }
    sequences->answered.Open();
  });
  const auto handoffs = std::make_shared<Asked<std::string>>();
  transport_thread_->Post([this, handoffs] {
    handoffs->value = decode_->DebugString() + prefill_->DebugString();
    handoffs->answered.Open();
  });
  const engine::EngineStats stats = engine_->Stats();
  BATON_LOG(Info) << "dump: " << why << "; running=" << stats.running
                  << " waiting=" << stats.waiting << " blocks_free=" << stats.blocks_free
                  << " blocks_used=" << stats.blocks_used
                  << " blocks_cached=" << stats.blocks_cached
                  << " blocks_quarantined=" << stats.blocks_quarantined;
  for (const LoopProgress& loop : Loops()) {
    BATON_LOG(Info) << "dump: thread=" << loop.name << " turns=" << loop.turns
                    << " busy=" << (loop.busy ? "true" : "false");
  }
  const bool known = asked && sequences->answered.Wait(kPatience);
  if (!known) {
    BATON_LOG(Warning) << "dump: the engine thread does not say what it is at";
  }
  DumpRequests(requests, known ? std::move(sequences->value) : Sequences{});
  if (handoffs->answered.Wait(kPatience)) {
    LogLines(handoffs->value);
  } else {
    BATON_LOG(Warning) << "dump: the transport thread does not say what is handed off";
  }
  BATON_LOG(Info) << "dump: end";
}

void WorkerCore::DumpRequests(
    const std::vector<std::pair<SequenceId, StreamTable::Entry>>& requests,
    std::unordered_map<SequenceId, engine::SequenceReport> sequences) const {
  const TimePoint now = clock_.Now();
  for (const auto& [sequence, entry] : requests) {
    const auto report = sequences.extract(sequence);
    const std::string& peer = entry.call->prefill_peer;
    BATON_LOG(Info) << "dump: request=" << entry.call->request.id << " sequence=" << Index(sequence)
                    << " age_s=" << Seconds(now - entry.received)
                    << (peer.empty() ? "" : " prefill=" + peer) << " "
                    << (report.empty() ? "stage=unknown" : DescribeStage(report.mapped()));
  }
  // Prefilled for peers, or held for what may still land.
  for (const auto& [sequence, report] : sequences) {
    BATON_LOG(Info) << "dump: sequence=" << Index(sequence) << " " << DescribeStage(report);
  }
}

}  // namespace baton::worker
