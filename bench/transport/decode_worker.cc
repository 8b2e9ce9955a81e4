#include "decode_worker.h"

#include <cstring>

#include "baton/base/check.h"
#include "baton/transport/ucx.h"
#include "block_runs.h"

namespace baton::bench {
namespace {

std::vector<std::string> PrefillCommand(const PairOptions& options) {
  std::vector<std::string> command = EncodeArguments(options);
  command.insert(command.begin(), "/proc/self/exe");
  return command;
}

}  // namespace

DecodeWorker::DecodeWorker(const PairOptions& options)
    : geometry_(options.geometry), prefill_(PrefillCommand(options)) {
  transport_ = *transport::MakeUcxTransport({.transports = options.tls});
  transport_->SetListener(this);
  region_ =
      *transport_->AllocateRegion(static_cast<size_t>(geometry_.block_bytes() * options.blocks));
  side_ = std::make_unique<handoff::DecodeSide>(
      handoff::DecodeSideOptions{.lease = std::chrono::hours(1)},
      handoff::LocalWorker{Describe(options, false), {region_}}, *transport_, *this,
      Clock::System());
  peer_ = *transport_->Connect(prefill_.Read());
  prefill_.Write(*transport_->Address());
  BATON_CHECK(prefill_.Read() == "connected");
  BATON_CHECK(side_->AddPeer(peer_, {Describe(options, true), kConnection}).ok());
}

DecodeWorker::Times DecodeWorker::TakeOver(int32_t tokens, int32_t run) {
  Request request;
  request.id = "bench";
  request.prompt.assign(static_cast<size_t>(tokens), 7);
  request.cache_salt = static_cast<uint64_t>(run);
  const int32_t blocks = (tokens + geometry_.block_tokens - 1) / geometry_.block_tokens;
  const handoff::DecodeSide::Reservation reservation{.sequence = SequenceId{++last_sequence_},
                                                     .blocks = BlocksInRuns(blocks, run)};
  committed_ = false;
  const TimePoint start = Clock::System().Now();
  BATON_CHECK(side_->Offer(peer_, request, reservation).ok());
  while (!committed_) {
    if (!transport_->Progress() && !committed_) transport_->Wait(std::chrono::hours(1));
  }
  return {.handoff = Clock::System().Now() - start, .put = put_};
}

bool DecodeWorker::CheckAndClear(int32_t tokens) {
  const int32_t blocks = (tokens + geometry_.block_tokens - 1) / geometry_.block_tokens;
  const auto bytes = static_cast<size_t>(blocks * geometry_.block_bytes());
  const bool arrived = IsMarked(region_, 0, bytes);
  std::memset(region_.data, 0, bytes);
  return arrived;
}

std::optional<transport::PathCost> DecodeWorker::MeasurePath() {
  constexpr int kPuts = 8;
  const transport::Descriptor descriptor{.bytes = size_t{2} << 20};
  while (puts_done_ < kPuts) {
    const int before = puts_done_;
    BATON_CHECK(transport_->Put(peer_, {&descriptor, 1}).ok());
    while (puts_done_ == before) {
      if (!transport_->Progress()) transport_->Wait(std::chrono::hours(1));
    }
  }
  return transport_->CostOf(peer_);
}

void DecodeWorker::OnCommitted(SequenceId, TokenOutput, const handoff::CommitReport& report) {
  put_ = report.stages.transfer;
  committed_ = true;
}

void DecodeWorker::OnHandoffFailed(SequenceId, handoff::Failure failure, Status status) {
  BATON_CHECK(false) << handoff::FailureName(failure) << ": " << status.message();
}

}  // namespace baton::bench
