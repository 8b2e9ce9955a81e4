#pragma once

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "baton/handoff/decode_side.h"
#include "baton/handoff/prefill_side.h"
#include "baton/transport/loopback.h"

namespace baton::handoff {

inline kv::KvGeometry SmallGeometry() {
  return {.layers = 4, .kv_heads = 2, .head_dim = 8, .block_tokens = 4, .dtype = DType::kBFloat16};
}

inline constexpr int32_t kPoolBlocks = 64;

inline WorkerDescription Describe(const std::string& name, uint64_t epoch) {
  WorkerDescription worker;
  worker.epoch = {epoch, epoch + 1};
  worker.name = name;
  worker.fingerprint = "model-1";
  worker.geometry = SmallGeometry();
  return worker;
}

inline Request MakeRequest(int32_t prompt_tokens) {
  Request request;
  request.id = "request-" + std::to_string(prompt_tokens);
  request.prompt.resize(static_cast<size_t>(prompt_tokens));
  std::iota(request.prompt.begin(), request.prompt.end(), 100);
  return request;
}

inline std::vector<BlockId> BlockRange(int32_t first, int32_t count) {
  std::vector<BlockId> blocks;
  for (int32_t i = 0; i < count; ++i) blocks.push_back(BlockId{first + i});
  return blocks;
}

/// Everything that the sides told, in order, as "committed 7", "failed 7 lease_expired".
struct Told final : DecodeSideListener, PrefillSideListener {
  void OnCommitted(SequenceId sequence, TokenOutput token, const CommitReport& report) override {
    Say("committed", sequence);
    first = std::move(token);
    commit = report;
  }
  void OnHandoffFailed(SequenceId sequence, Failure failure, Status status) override {
    Say("failed", sequence, std::string(" ") + std::string(FailureName(failure)));
    last_status = std::move(status);
  }
  void OnReleased(SequenceId sequence) override { Say("released", sequence); }
  Result<SequenceId> OnOffer(transport::PeerId, Request request) override {
    if (!refusal.ok()) return refusal;
    offered.push_back(std::move(request));
    Say("offer", SequenceId{++last_sequence});
    return SequenceId{last_sequence};
  }
  void OnAbort(SequenceId sequence) override { Say("abort", sequence); }
  void OnFinished(SequenceId sequence, const PrefillReport& report) override {
    Say("finished", sequence,
        report.failure ? std::string(" ") + std::string(FailureName(*report.failure)) : "");
    finished = report;
  }
  void OnPeerStuck(transport::PeerId, Status) override { said.push_back("peer stuck"); }

  void Say(const std::string& what, SequenceId sequence, const std::string& more = "") {
    said.push_back(what + " " + std::to_string(Index(sequence)) + more);
  }

  std::vector<std::string> said;
  Status refusal;
  std::vector<Request> offered;
  uint64_t last_sequence = 0;
  TokenOutput first;
  CommitReport commit;
  PrefillReport finished;
  Status last_status;
};

/// A transport's listener that keeps a copy of every message before it passes it on.
struct Tap final : transport::TransportListener {
  void OnMessage(transport::PeerId peer, std::span<const std::byte> message) override {
    seen.emplace_back(reinterpret_cast<const char*>(message.data()), message.size());
    if (deaf) return;
    on_message(peer, message);
  }
  void OnTransferDone(transport::PeerId, transport::TransferId id, Status status) override {
    if (on_transfer) on_transfer(id, status);
  }

  std::function<void(transport::PeerId, std::span<const std::byte>)> on_message;
  std::function<void(transport::TransferId, const Status&)> on_transfer;
  std::vector<std::string> seen;
  bool deaf = false;
};

/// A decode worker "d" and a prefill worker "p", joined, over loopback, with a clock that stands.
class HandoffPair : public testing::Test {
 protected:
  explicit HandoffPair(const transport::LoopbackOptions& options = {}) : network_(options) {}

  void SetUp() override { Start(); }

  void Start() {
    const auto bytes = static_cast<size_t>(SmallGeometry().block_bytes() * kPoolBlocks);
    d_transport_ = network_.MakeEndpoint("d");
    p_transport_ = network_.MakeEndpoint("p");
    d_region_ = *d_transport_->AllocateRegion(bytes);
    p_region_ = *p_transport_->AllocateRegion(bytes);
    for (size_t i = 0; i < bytes; ++i) p_region_.data[i] = std::byte(i * 40503u >> 7 | 1);
    decode_ = std::make_unique<DecodeSide>(decode_options_, LocalWorker{d_worker_, {d_region_}},
                                           *d_transport_, d_, clock_);
    prefill_ = std::make_unique<PrefillSide>(prefill_options_, LocalWorker{p_worker_, {p_region_}},
                                             *p_transport_, p_, clock_);
    d_tap_.on_message = [this](auto peer, auto bytes_in) { decode_->OnMessage(peer, bytes_in); };
    p_tap_.on_message = [this](auto peer, auto bytes_in) { prefill_->OnMessage(peer, bytes_in); };
    p_tap_.on_transfer = [this](auto id, const auto& status) {
      prefill_->OnTransferDone(to_d_, id, status);
    };
    d_transport_->SetListener(&d_tap_);
    p_transport_->SetListener(&p_tap_);
    to_p_ = *d_transport_->Connect(*p_transport_->Address());
    to_d_ = *p_transport_->Connect(*d_transport_->Address());
    ASSERT_TRUE(decode_->AddPeer(to_p_, {p_worker_, kConnection}).ok());
    ASSERT_TRUE(prefill_->AddPeer(to_d_, {d_worker_, kConnection}).ok());
  }

  void Pump() {
    while (d_transport_->Progress() | p_transport_->Progress()) {
    }
  }
  void Advance(Duration duration) {
    clock_.Advance(duration);
    prefill_->Tick();
    decode_->Tick();
    Pump();
  }
  Status Offer(uint64_t sequence, int32_t prompt_tokens, std::vector<BlockId> blocks,
               int32_t cached_tokens = 0) {
    const Status status = decode_->Offer(to_p_, MakeRequest(prompt_tokens),
                                         {SequenceId{sequence}, std::move(blocks), cached_tokens});
    Pump();
    return status;
  }
  /// What the engine of p does for its sequence, all at once.
  void PrefillAll(uint64_t sequence, int32_t prompt_tokens, std::vector<BlockId> blocks) {
    prefill_->Blocks(SequenceId{sequence}, std::move(blocks), 0);
    prefill_->KvReady(SequenceId{sequence}, 0, SmallGeometry().layers, prompt_tokens);
    prefill_->Prefilled(SequenceId{sequence}, {.token = 42, .position = prompt_tokens});
    Pump();
  }
  bool BlockArrived(BlockId from, BlockId to) {
    const auto bytes = static_cast<size_t>(SmallGeometry().block_bytes());
    return std::memcmp(p_region_.data + static_cast<size_t>(Index(from)) * bytes,
                       d_region_.data + static_cast<size_t>(Index(to)) * bytes, bytes) == 0;
  }
  bool BlockUntouched(BlockId block) {
    const auto bytes = static_cast<size_t>(SmallGeometry().block_bytes());
    const std::byte* data = d_region_.data + static_cast<size_t>(Index(block)) * bytes;
    return std::all_of(data, data + bytes, [](std::byte byte) { return byte == std::byte{0}; });
  }
  void GiveToDecode(const std::string& bytes) {
    decode_->OnMessage(to_p_, std::as_bytes(std::span(bytes)));
  }
  void GiveToPrefill(const std::string& bytes) {
    prefill_->OnMessage(to_d_, std::as_bytes(std::span(bytes)));
  }

  static constexpr uint64_t kConnection = 77;
  ManualClock clock_;
  transport::LoopbackNetwork network_;
  WorkerDescription d_worker_ = Describe("d", 1000);
  WorkerDescription p_worker_ = Describe("p", 2000);
  DecodeSideOptions decode_options_;
  PrefillSideOptions prefill_options_{.least_piece_bytes = 1};
  std::unique_ptr<transport::Transport> d_transport_;
  std::unique_ptr<transport::Transport> p_transport_;
  transport::MemoryRegion d_region_;
  transport::MemoryRegion p_region_;
  Told d_;
  Told p_;
  Tap d_tap_;
  Tap p_tap_;
  std::unique_ptr<DecodeSide> decode_;
  std::unique_ptr<PrefillSide> prefill_;
  transport::PeerId to_p_{};
  transport::PeerId to_d_{};
};

}  // namespace baton::handoff
