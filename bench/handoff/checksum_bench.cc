// What checksums cost: the CRC32C alone beside memcpy, and whole hand-offs with and without it.
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <benchmark/benchmark.h>

#include "baton/base/check.h"
#include "baton/handoff/decode_side.h"
#include "baton/handoff/prefill_side.h"
#include "baton/transport/loopback.h"
#include "crc32c.h"

namespace baton::handoff {
namespace {

/// Larger than the caches, as a prompt's KV is.
constexpr size_t kBytes = size_t{256} << 20;

/// Of Llama 3 8B: 2 MiB for a block of 16 tokens.
kv::KvGeometry Geometry() {
  return {.layers = 32, .kv_heads = 8, .head_dim = 128, .block_tokens = 16};
}

void CountBytes(benchmark::State& state, int64_t bytes) {
  state.SetBytesProcessed(state.iterations() * bytes);
  constexpr double kGiB = 1 << 30;
  state.counters["CPU per GiB"] =
      benchmark::Counter(static_cast<double>(state.iterations() * bytes) / kGiB,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void Memcpy(benchmark::State& state) {
  const std::vector<std::byte> from(kBytes, std::byte{1});
  std::vector<std::byte> to(kBytes);
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), kBytes);
    benchmark::ClobberMemory();
  }
  CountBytes(state, kBytes);
}
BENCHMARK(Memcpy)->Unit(benchmark::kMillisecond);

/// Blocks of so many bytes, one after the other.
void Checksum(benchmark::State& state, Crc32cFunction function) {
  if (function == nullptr) return state.SkipWithError("not on this processor");
  const std::vector<std::byte> bytes(kBytes, std::byte{1});
  const auto block = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    for (size_t at = 0; at + block <= kBytes; at += block) {
      benchmark::DoNotOptimize(function(std::span(bytes).subspan(at, block), 0));
    }
  }
  CountBytes(state, kBytes);
}
BENCHMARK_CAPTURE(Checksum, Crc32c, &Crc32c)
    ->RangeMultiplier(8)
    ->Range(4 << 10, 2 << 20)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Checksum, Portable, &Crc32cPortable)->Arg(2 << 20)->Unit(benchmark::kMillisecond);

/// Both sides on one thread over loopback, whose puts are one memcpy.
class Pair final : public DecodeSideListener,
                   public PrefillSideListener,
                   public transport::TransportListener {
 public:
  Pair(int32_t tokens, bool checksums) : tokens_(tokens), blocks_(BlocksFor(tokens)) {
    DecodeSideOptions options;
    options.checksums = checksums;
    d_ = network_.MakeEndpoint("d");
    p_ = network_.MakeEndpoint("p");
    const auto bytes = static_cast<size_t>(Geometry().block_bytes()) * blocks_.size();
    const auto describe = [](const char* name, uint64_t epoch) {
      return WorkerDescription{
          .epoch = {epoch, 0}, .name = name, .fingerprint = "bench", .geometry = Geometry()};
    };
    const LocalWorker d{describe("d", 1), {*d_->AllocateRegion(bytes)}};
    const LocalWorker p{describe("p", 2), {*p_->AllocateRegion(bytes)}};
    decode_.emplace(options, d, *d_, *this, Clock::System());
    prefill_.emplace(PrefillSideOptions{}, p, *p_, *this, Clock::System());
    d_->SetListener(this);
    p_->SetListener(this);
    to_p_ = *d_->Connect(*p_->Address());
    to_d_ = *p_->Connect(*d_->Address());
    BATON_CHECK(decode_->AddPeer(to_p_, {p.description, 7}).ok());
    BATON_CHECK(prefill_->AddPeer(to_d_, {d.description, 7}).ok());
  }

  void HandOver() {
    Request request;
    request.prompt.resize(static_cast<size_t>(tokens_));
    committed_ = false;
    BATON_CHECK(decode_->Offer(to_p_, request, {SequenceId{++last_}, blocks_, 0}).ok());
    while (p_->Progress() | d_->Progress()) {
    }
    BATON_CHECK(committed_);
  }

  void OnCommitted(SequenceId, TokenOutput, const CommitReport&) override { committed_ = true; }
  void OnHandoffFailed(SequenceId, Failure, Status status) override { BATON_CHECK(status.ok()); }
  void OnReleased(SequenceId) override {}
  void OnPeerStuck(transport::PeerId, Status) override {}
  Result<SequenceId> OnOffer(transport::PeerId, Request) override { return SequenceId{last_}; }
  void OnAbort(SequenceId) override {}
  void OnFinished(SequenceId, const PrefillReport&) override {}
  void OnMessage(transport::PeerId peer, std::span<const std::byte> message) override {
    if (SideOf(message) == Side::kDecode) return decode_->OnMessage(peer, message);
    prefill_->OnMessage(peer, message);
    const SequenceId sequence{last_};
    prefill_->Blocks(sequence, blocks_, 0);
    prefill_->KvReady(sequence, 0, Geometry().layers, tokens_);
    prefill_->Prefilled(sequence, {.token = 1, .position = tokens_});
  }
  void OnTransferDone(transport::PeerId peer, transport::TransferId id, Status status) override {
    prefill_->OnTransferDone(peer, id, status);
  }

 private:
  static std::vector<BlockId> BlocksFor(int32_t tokens) {
    std::vector<BlockId> blocks;
    for (int32_t i = 0; i * Geometry().block_tokens < tokens; ++i) blocks.push_back(BlockId{i});
    return blocks;
  }

  const int32_t tokens_;
  const std::vector<BlockId> blocks_;
  transport::LoopbackNetwork network_;
  std::unique_ptr<transport::Transport> d_;
  std::unique_ptr<transport::Transport> p_;
  std::optional<DecodeSide> decode_;
  std::optional<PrefillSide> prefill_;
  transport::PeerId to_p_{};
  transport::PeerId to_d_{};
  uint64_t last_ = 0;
  bool committed_ = false;
};

void Handoff(benchmark::State& state, bool checksums) {
  const auto tokens = static_cast<int32_t>(state.range(0));
  Pair pair(tokens, checksums);
  pair.HandOver();
  for (auto _ : state) pair.HandOver();
  CountBytes(state, Geometry().block_bytes() * ((tokens + 15) / 16));
}
BENCHMARK_CAPTURE(Handoff, Plain, false)->Arg(16)->Arg(256)->Arg(2048);
BENCHMARK_CAPTURE(Handoff, Checked, true)->Arg(16)->Arg(256)->Arg(2048);

}  // namespace
}  // namespace baton::handoff
