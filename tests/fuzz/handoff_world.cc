#include "handoff_world.h"

#include <algorithm>

#include "baton/base/check.h"
#include "baton/base/units.h"

namespace baton::fuzz {
namespace {

constexpr int32_t kPoolBlocks = 64;
constexpr size_t kRememberedMessages = 64;

kv::KvGeometry Geometry() {
  return {.layers = 3, .kv_heads = 1, .head_dim = 4, .block_tokens = 4, .dtype = DType::kBFloat16};
}

handoff::WorkerDescription Describe(const std::string& name, uint64_t epoch) {
  handoff::WorkerDescription worker;
  worker.epoch = {epoch, epoch + 1};
  worker.name = name;
  worker.fingerprint = "model";
  worker.geometry = Geometry();
  return worker;
}

const handoff::WorkerDescription& DecodeWorker() {
  static const handoff::WorkerDescription worker = Describe("d", 1000);
  return worker;
}

const handoff::WorkerDescription& PrefillWorker() {
  static const handoff::WorkerDescription worker = Describe("p", 2000);
  return worker;
}

int32_t BlocksOf(int32_t tokens) { return CeilDiv(tokens, Geometry().block_tokens); }

/// `count` blocks from `first` on, around the end of the pool.
std::vector<BlockId> BlocksFrom(int32_t first, int32_t count) {
  std::vector<BlockId> blocks;
  for (int32_t i = 0; i < count; ++i) blocks.push_back(BlockId{(first + i) % kPoolBlocks});
  return blocks;
}

}  // namespace

/// Hands what a transport tells to its side.
struct HandoffWorld::Wire final : transport::TransportListener {
  Wire(HandoffWorld& in, handoff::Side of) : world(in), side(of) {}

  void OnMessage(transport::PeerId peer, std::span<const std::byte> message) override {
    if (world.sent_.size() < kRememberedMessages) {
      world.sent_.emplace_back(
          side, std::string(reinterpret_cast<const char*>(message.data()), message.size()));
    }
    if (side == handoff::Side::kDecode) {
      world.decode_->OnMessage(peer, message);
    } else {
      world.prefill_->OnMessage(peer, message);
    }
  }
  void OnTransferDone(transport::PeerId peer, transport::TransferId id, Status status) override {
    if (side == handoff::Side::kPrefill) world.prefill_->OnTransferDone(peer, id, status);
  }

  HandoffWorld& world;
  const handoff::Side side;
};

HandoffWorld::HandoffWorld(bool checksums) {
  const auto bytes = static_cast<size_t>(Geometry().block_bytes() * kPoolBlocks);
  d_transport_ = network_.MakeEndpoint("d");
  p_transport_ = network_.MakeEndpoint("p");
  const transport::MemoryRegion d_region = *d_transport_->AllocateRegion(bytes);
  const transport::MemoryRegion p_region = *p_transport_->AllocateRegion(bytes);
  handoff::DecodeSideOptions options;
  options.checksums = checksums;
  options.handoffs = 16;
  decode_ = std::make_unique<handoff::DecodeSide>(
      options, handoff::LocalWorker{DecodeWorker(), {d_region}}, *d_transport_, *this, clock_);
  prefill_ = std::make_unique<handoff::PrefillSide>(
      handoff::PrefillSideOptions{.handoffs = 16, .least_piece_bytes = 1},
      handoff::LocalWorker{PrefillWorker(), {p_region}}, *p_transport_, *this, clock_);
  d_wire_ = std::make_unique<Wire>(*this, handoff::Side::kDecode);
  p_wire_ = std::make_unique<Wire>(*this, handoff::Side::kPrefill);
  d_transport_->SetListener(d_wire_.get());
  p_transport_->SetListener(p_wire_.get());
  Join();
}

HandoffWorld::~HandoffWorld() = default;

void HandoffWorld::Join() {
  ++connection_;
  to_p_ = *d_transport_->Connect(*p_transport_->Address());
  to_d_ = *p_transport_->Connect(*d_transport_->Address());
  BATON_CHECK(decode_->AddPeer(to_p_, {PrefillWorker(), connection_}).ok());
  BATON_CHECK(prefill_->AddPeer(to_d_, {DecodeWorker(), connection_}).ok());
}

void HandoffWorld::Lose() {
  decode_->LosePeer(to_p_, Unavailable("lost"));
  prefill_->LosePeer(to_d_, Unavailable("lost"));
  d_transport_->Disconnect(to_p_);
  p_transport_->Disconnect(to_d_);
  stuck_ = false;
  Deliver();
}

void HandoffWorld::Rejoin() {
  Lose();
  Join();
}

void HandoffWorld::Offer(uint8_t prompt_tokens, uint8_t first_block, uint8_t cached_blocks) {
  const int32_t prompt = 1 + prompt_tokens % 64;
  Request request;
  request.prompt.assign(static_cast<size_t>(prompt), 7);
  const SequenceId sequence{fates_.size() + 1};
  fates_[sequence] = Fate::kOffered;
  const int32_t cached = cached_blocks % BlocksOf(prompt) * Geometry().block_tokens;
  const Status status =
      decode_->Offer(to_p_, request, {sequence, BlocksFrom(first_block, BlocksOf(prompt)), cached});
  if (!status.ok()) FateOf(sequence) = Fate::kOver;
}

void HandoffWorld::Cancel(uint8_t which) {
  if (!fates_.empty()) (void)decode_->Cancel(SequenceId{1 + which % fates_.size()});
}

void HandoffWorld::GiveBlocks(uint8_t which, uint8_t first_block) {
  if (const AtPrefill* it = Pick(which)) {
    prefill_->Blocks(it->sequence, BlocksFrom(first_block, BlocksOf(it->prompt_tokens)), 0);
  }
}

void HandoffWorld::ComputeKv(uint8_t which, uint8_t layers, uint8_t tokens) {
  const AtPrefill* it = Pick(which);
  if (it == nullptr) return;
  const int32_t begin = layers % Geometry().layers;
  const int32_t end = begin + 1 + layers / 16 % (Geometry().layers - begin);
  prefill_->KvReady(it->sequence, begin, end, std::min<int32_t>(tokens, it->prompt_tokens));
}

void HandoffWorld::FinishPrefill(uint8_t which) {
  if (const AtPrefill* it = Pick(which)) {
    prefill_->Prefilled(it->sequence, {.token = 42, .position = it->prompt_tokens});
  }
}

void HandoffWorld::FailPrefill(uint8_t which) {
  if (const AtPrefill* it = Pick(which)) prefill_->Failed(it->sequence, Internal("engine"));
}

/// All that ever were, so that calls for those that ended are among them.
HandoffWorld::AtPrefill* HandoffWorld::Pick(uint8_t which) {
  return at_prefill_.empty() ? nullptr : &at_prefill_[which % at_prefill_.size()];
}

void HandoffWorld::SendTo(handoff::Side side, const std::string& bytes) {
  const auto message = std::as_bytes(std::span(bytes));
  if (side == handoff::Side::kDecode) {
    decode_->OnMessage(to_p_, message);
  } else {
    prefill_->OnMessage(to_d_, message);
  }
}

handoff::Envelope HandoffWorld::EnvelopeTo(handoff::Side side, uint64_t handoff) const {
  const bool to_decode = side == handoff::Side::kDecode;
  return {.from = (to_decode ? PrefillWorker() : DecodeWorker()).epoch,
          .to = (to_decode ? DecodeWorker() : PrefillWorker()).epoch,
          .connection = connection_,
          .handoff = HandoffId{handoff}};
}

void HandoffWorld::Repeat(uint8_t which) {
  if (sent_.empty()) return;
  const auto& [side, bytes] = sent_[which % sent_.size()];
  SendTo(side, bytes);
}

void HandoffWorld::Deliver() {
  for (bool worked = true; worked;) {
    worked = d_transport_->Progress();
    worked = p_transport_->Progress() || worked;
  }
  if (stuck_) Rejoin();
  CheckDeadlines();
}

void HandoffWorld::Advance(Duration duration) {
  clock_.Advance(duration);
  prefill_->Tick();
  decode_->Tick();
  Deliver();
}

void HandoffWorld::CheckDeadlines() const {
  const handoff::DecodeSideStats decode = decode_->Stats();
  const int32_t at_decode = decode.offered + decode.aborting + decode.quarantined;
  BATON_CHECK(at_decode == 0 || decode_->NextDeadline()) << decode_->DebugString();
  const handoff::PrefillSideStats prefill = prefill_->Stats();
  const int32_t at_prefill =
      prefill.queued + prefill.prefilling + prefill.flushing + prefill.aborting;
  BATON_CHECK(at_prefill == 0 || prefill_->NextDeadline()) << prefill_->DebugString();
}

void HandoffWorld::End() {
  Lose();
  Advance(std::chrono::minutes(2));
  // As long as p is there, blocks that it may still write stay in quarantine.
  network_.Kill("p");
  Advance(std::chrono::minutes(1));
  const handoff::DecodeSideStats decode = decode_->Stats();
  BATON_CHECK(decode.offered + decode.aborting + decode.quarantined == 0) << decode_->DebugString();
  const handoff::PrefillSideStats prefill = prefill_->Stats();
  BATON_CHECK(prefill.queued + prefill.prefilling + prefill.flushing + prefill.aborting == 0)
      << prefill_->DebugString();
  for (const auto& [sequence, fate] : fates_) {
    BATON_CHECK(fate == Fate::kOver) << "sequence " << Index(sequence) << " was forgotten";
  }
  for (const AtPrefill& it : at_prefill_) {
    BATON_CHECK(it.finished) << "sequence " << Index(it.sequence) << " of p was forgotten";
  }
}

HandoffWorld::Fate& HandoffWorld::FateOf(SequenceId sequence) {
  const auto found = fates_.find(sequence);
  BATON_CHECK(found != fates_.end()) << "nobody offered sequence " << Index(sequence);
  return found->second;
}

void HandoffWorld::OnCommitted(SequenceId sequence, TokenOutput first,
                               const handoff::CommitReport&) {
  BATON_CHECK(FateOf(sequence) == Fate::kOffered) << "a commit after the end";
  BATON_CHECK(first.token >= 0 && first.position > 0);
  FateOf(sequence) = Fate::kOver;
}

void HandoffWorld::OnHandoffFailed(SequenceId sequence, handoff::Failure, Status status) {
  BATON_CHECK(FateOf(sequence) == Fate::kOffered && !status.ok());
  FateOf(sequence) = Fate::kFailed;
}

void HandoffWorld::OnReleased(SequenceId sequence) {
  BATON_CHECK(FateOf(sequence) != Fate::kOver) << "released twice, or after a commit";
  FateOf(sequence) = Fate::kOver;
}

Result<SequenceId> HandoffWorld::OnOffer(transport::PeerId, Request request) {
  BATON_CHECK(!request.prompt.empty());
  const SequenceId sequence{at_prefill_.size() + 1};
  at_prefill_.push_back({sequence, static_cast<int32_t>(request.prompt.size())});
  return sequence;
}

void HandoffWorld::OnAbort(SequenceId sequence) {
  BATON_CHECK(!at_prefill_.at(Index(sequence) - 1).finished);
}

void HandoffWorld::OnFinished(SequenceId sequence, const handoff::PrefillReport&) {
  bool& finished = at_prefill_.at(Index(sequence) - 1).finished;
  BATON_CHECK(!finished) << "finished twice";
  finished = true;
}

}  // namespace baton::fuzz
