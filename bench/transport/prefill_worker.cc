#include "prefill_worker.h"

#include <csignal>
#include <cstring>
#include <utility>

#include <sys/prctl.h>
#include <unistd.h>

#include "baton/base/check.h"
#include "baton/handoff/prefill_side.h"
#include "baton/transport/ucx.h"
#include "block_runs.h"
#include "processes.h"

namespace baton::bench {
namespace {

constexpr size_t kMarkEvery = 4096;

uint64_t MarkAt(size_t offset) { return offset * 0x9E3779B97F4A7C15 | 1; }

class PrefillWorker final : public handoff::PrefillSideListener,
                            public transport::TransportListener {
 public:
  explicit PrefillWorker(const PairOptions& options) : geometry_(options.geometry) {
    transport_ = *transport::MakeUcxTransport(
        {.transports = options.tls, .direct_copies = options.direct_copies});
    transport_->SetListener(this);
    const transport::MemoryRegion region =
        *transport_->AllocateRegion(static_cast<size_t>(geometry_.block_bytes() * options.blocks));
    Mark(region);
    side_ = std::make_unique<handoff::PrefillSide>(
        handoff::PrefillSideOptions{}, handoff::LocalWorker{Describe(options, true), {region}},
        *transport_, *this, Clock::System());
    WriteField(1, *transport_->Address());
    const transport::PeerId peer = *transport_->Connect(ReadField(0));
    BATON_CHECK(side_->AddPeer(peer, {Describe(options, false), kConnection}).ok());
    WriteField(1, "connected");
  }

  [[noreturn]] void Run() {
    for (;;) {
      const bool busy = transport_->Progress();
      for (const auto& offer : std::exchange(offers_, {})) Prefill(offer);
      if (!busy) transport_->Wait(std::chrono::hours(1));
    }
  }

  Result<SequenceId> OnOffer(transport::PeerId, Request request) override {
    offers_.push_back({SequenceId{++last_sequence_}, static_cast<int32_t>(request.prompt.size()),
                       static_cast<int32_t>(request.cache_salt)});
    return offers_.back().sequence;
  }
  void OnAbort(SequenceId) override {}
  void OnFinished(SequenceId, const handoff::PrefillReport&) override {}
  void OnPeerStuck(transport::PeerId, Status) override {}
  void OnMessage(transport::PeerId peer, std::span<const std::byte> message) override {
    side_->OnMessage(peer, message);
  }
  void OnTransferDone(transport::PeerId peer, transport::TransferId transfer,
                      Status status) override {
    side_->OnTransferDone(peer, transfer, status);
  }

 private:
  struct Offered {
    SequenceId sequence{};
    int32_t tokens = 0;
    int32_t run = 0;
  };

  void Prefill(const Offered& offer) {
    const int32_t blocks = (offer.tokens + geometry_.block_tokens - 1) / geometry_.block_tokens;
    side_->Blocks(offer.sequence, BlocksInRuns(blocks, offer.run), 0);
    side_->Prefilled(offer.sequence, {.token = 1, .position = offer.tokens});
  }

  const kv::KvGeometry geometry_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<handoff::PrefillSide> side_;
  std::vector<Offered> offers_;
  uint64_t last_sequence_ = 0;
};

}  // namespace

void ServePrefills(const PairOptions& options) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  PrefillWorker(options).Run();
}

std::vector<std::string> EncodeArguments(const PairOptions& options) {
  return {"prefill", options.geometry == kTiny ? "tiny" : "llama", std::to_string(options.blocks),
          options.tls, options.direct_copies ? "direct" : "ucx"};
}

PairOptions DecodeArguments(const std::vector<std::string>& arguments) {
  return {.geometry = arguments[1] == "tiny" ? kTiny : kLlama,
          .blocks = std::stoi(arguments[2]),
          .tls = arguments[3],
          .direct_copies = arguments[4] == "direct"};
}

handoff::WorkerDescription Describe(const PairOptions& options, bool prefill) {
  handoff::WorkerDescription worker;
  worker.epoch = {1, prefill ? 2u : 1u};
  worker.name = prefill ? "p" : "d";
  worker.fingerprint = "bench";
  worker.geometry = options.geometry;
  return worker;
}

void Mark(const transport::MemoryRegion& region) {
  for (size_t at = 0; at + sizeof(uint64_t) <= region.bytes; at += kMarkEvery) {
    const uint64_t mark = MarkAt(at);
    std::memcpy(region.data + at, &mark, sizeof(mark));
  }
}

bool IsMarked(const transport::MemoryRegion& region, size_t from, size_t bytes) {
  const size_t first = (from + kMarkEvery - 1) / kMarkEvery * kMarkEvery;
  for (size_t at = first; at < from + bytes; at += kMarkEvery) {
    const uint64_t mark = MarkAt(at);
    if (std::memcmp(region.data + at, &mark, sizeof(mark)) != 0) return false;
  }
  return true;
}

}  // namespace baton::bench
