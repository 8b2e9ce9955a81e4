#include "handoff_world.h"

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

namespace baton::handoff {
namespace {

constexpr std::byte kFreeByte{0xEE};
constexpr int32_t kWorldBlocks = 24;
constexpr int32_t kLayers = 2;
constexpr size_t kMostSeen = 64;

std::byte KvByte(uint64_t request, int32_t layer, int32_t token, uint64_t offset) {
  const uint64_t mixed = (request * 1'000'003 + static_cast<uint64_t>(layer)) * 1'000'003 +
                         static_cast<uint64_t>(token) * 97 + offset;
  return std::byte(mixed * 0x9E3779B97F4A7C15u >> 56);
}

}  // namespace

WorldPool::WorldPool(transport::MemoryRegion region, int32_t blocks)
    : region_(region), blocks_(blocks) {
  std::fill_n(region_.data, region_.bytes, kFreeByte);
  for (int32_t i = blocks; i > 0; --i) free_.push_back(BlockId{i - 1});
}

void WorldPool::CheckFreeBlocks() const {
  const auto bytes = static_cast<size_t>(WorldGeometry().block_bytes());
  for (const BlockId block : free_) {
    const std::byte* data = region_.data + static_cast<size_t>(Index(block)) * bytes;
    EXPECT_TRUE(std::all_of(data, data + bytes, [](std::byte b) { return b == kFreeByte; }))
        << "release late: something was put into free block " << Index(block);
  }
}

std::vector<BlockId> WorldPool::Allocate(int32_t count) {
  if (static_cast<size_t>(count) > free_.size()) return {};
  std::vector<BlockId> blocks(free_.end() - count, free_.end());
  free_.resize(free_.size() - static_cast<size_t>(count));
  for (const BlockId block : blocks) EXPECT_TRUE(held_.insert(block).second) << "one owner";
  return blocks;
}

void WorldPool::Free(const std::vector<BlockId>& blocks) {
  const auto bytes = static_cast<size_t>(WorldGeometry().block_bytes());
  for (const BlockId block : blocks) {
    EXPECT_EQ(held_.erase(block), 1u) << "one owner: block " << Index(block) << " freed twice";
    std::fill_n(region_.data + static_cast<size_t>(Index(block)) * bytes, bytes, kFreeByte);
    free_.insert(free_.begin(), block);
  }
}

template <typename Visit>
void WorldPool::ForEachByte(const std::vector<BlockId>& blocks, int32_t layer, int32_t token,
                            Visit visit) {
  const kv::KvGeometry geometry = WorldGeometry();
  const auto block = static_cast<size_t>(token / geometry.block_tokens);
  const uint64_t row = static_cast<uint64_t>(geometry.head_dim) * DTypeBytes(geometry.dtype);
  for (int plane = 0; plane < 2; ++plane) {
    const auto start = static_cast<uint64_t>(
        Index(blocks[block]) * geometry.block_bytes() + layer * geometry.layer_bytes() +
        plane * geometry.plane_bytes() + token % geometry.block_tokens * static_cast<int64_t>(row));
    for (uint64_t i = 0; i < row; ++i) visit(start + i, static_cast<uint64_t>(plane) * row + i);
  }
}

void WorldPool::Compute(const std::vector<BlockId>& blocks, uint64_t request, int32_t layer_begin,
                        int32_t layer_end, int32_t from_token, int32_t to_token) {
  for (int32_t layer = layer_begin; layer < layer_end; ++layer) {
    for (int32_t token = from_token; token < to_token; ++token) {
      ForEachByte(blocks, layer, token, [&](uint64_t at, uint64_t offset) {
        region_.data[at] = KvByte(request, layer, token, offset);
      });
    }
  }
}

bool WorldPool::Holds(const std::vector<BlockId>& blocks, uint64_t request, int32_t tokens) const {
  bool same = true;
  for (int32_t layer = 0; layer < kLayers; ++layer) {
    for (int32_t token = 0; token < tokens; ++token) {
      ForEachByte(blocks, layer, token, [&](uint64_t at, uint64_t offset) {
        same = same && region_.data[at] == KvByte(request, layer, token, offset);
      });
    }
  }
  return same;
}

WorldWorker::WorldWorker(transport::LoopbackNetwork& network, const std::string& name, Clock& clock,
                         Random& random, bool checksums)
    : random_(random), transport_(network.MakeEndpoint(name)) {
  description_.name = name;
  description_.epoch = {random.Next(), random.Next()};
  description_.fingerprint = "world";
  description_.geometry = WorldGeometry();
  const auto bytes = static_cast<size_t>(WorldGeometry().block_bytes() * kWorldBlocks);
  const transport::MemoryRegion region = *transport_->AllocateRegion(bytes);
  pool_ = std::make_unique<WorldPool>(region, kWorldBlocks);
  const LocalWorker local{description_, {region}};
  decode_ = std::make_unique<DecodeSide>(DecodeSideOptions{.handoffs = 6, .checksums = checksums},
                                         local, *transport_, *this, clock);
  prefill_ = std::make_unique<PrefillSide>(
      PrefillSideOptions{.handoffs = 4,
                         .least_piece_bytes = static_cast<int64_t>(random.Below(2) * 64)},
      local, *transport_, *this, clock);
  transport_->SetListener(this);
}

void WorldWorker::Join(WorldWorker& other, uint64_t connection) {
  const transport::PeerId peer = *transport_->Connect(*other.transport_->Address());
  peer_ids_[other.name()] = peer;
  const PeerDescription description{other.description_, connection};
  EXPECT_TRUE(decode_->AddPeer(peer, description).ok());
  EXPECT_TRUE(prefill_->AddPeer(peer, description).ok());
}

void WorldWorker::Lose(const std::string& other) {
  const auto found = peer_ids_.find(other);
  if (found == peer_ids_.end()) return;
  const transport::PeerId peer = found->second;
  peer_ids_.erase(found);
  stuck_.erase(peer);
  decode_->LosePeer(peer, Unavailable("lost"));
  prefill_->LosePeer(peer, Unavailable("lost"));
  transport_->Disconnect(peer);
}

void WorldWorker::OfferTo(const std::string& other, uint64_t request_number) {
  const auto prompt = static_cast<int32_t>(1 + random_.Below(24));
  const int32_t count = (prompt + 3) / 4;
  std::vector<BlockId> blocks = pool_->Allocate(count);
  if (blocks.empty()) return;
  Request request;
  request.id = std::to_string(request_number);
  request.cache_salt = request_number;
  request.prompt.resize(static_cast<size_t>(prompt), 1);
  const auto cached = static_cast<int32_t>(random_.Below(static_cast<uint64_t>(prompt))) / 4 * 4;
  pool_->Compute(blocks, request_number, 0, kLayers, 0, cached);
  const SequenceId sequence{++last_sequence_};
  decoding_[sequence] = {Receiving::kOffered, request_number, prompt, blocks};
  const Status status = decode_->Offer(peer_ids_.at(other), request, {sequence, blocks, cached});
  if (status.ok()) return;
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status;
  decoding_.erase(sequence);
  pool_->Free(blocks);
}

void WorldWorker::CancelSomething() {
  std::vector<SequenceId> offered;
  for (const auto& [sequence, work] : decoding_) {
    if (work.state == Receiving::kOffered) offered.push_back(sequence);
  }
  if (offered.empty()) return;
  const SequenceId sequence = offered[random_.Below(offered.size())];
  decoding_.at(sequence).state = Receiving::kCancelled;
  EXPECT_TRUE(decode_->Cancel(sequence));
}

void WorldWorker::EngineStep() {
  if (prefilling_.empty()) return;
  auto work = prefilling_.begin();
  std::advance(work, static_cast<int64_t>(random_.Below(prefilling_.size())));
  if (!work->second.prefilled) StepOne(work->first, work->second);
}

/// An engine does not see an abort at once: it may go on for a while.
void WorldWorker::StepOne(SequenceId sequence, Prefilling& work) {
  if (work.aborted && random_.Below(2) == 0) return;
  if (work.blocks.empty()) {
    work.blocks = pool_->Allocate((work.prompt_tokens + 3) / 4);
    if (work.blocks.empty()) return;
    const auto cached =
        static_cast<int32_t>(random_.Below(static_cast<uint64_t>(work.prompt_tokens))) / 4 * 4;
    pool_->Compute(work.blocks, work.request, 0, kLayers, 0, cached);
    work.computed.assign(kLayers, cached);
    return prefill_->Blocks(sequence, work.blocks, cached);
  }
  if (random_.Below(40) == 0) {
    work.prefilled = true;
    return prefill_->Failed(sequence, Internal("the engine failed"));
  }
  // Layers take turns within a chunk; a new chunk starts when all have done the last.
  const int32_t layer = work.computed[0] > work.computed[1] ? 1 : 0;
  const int32_t from = work.computed[static_cast<size_t>(layer)];
  const int32_t to =
      layer == 1 ? work.computed[0]
                 : std::min(work.prompt_tokens, from + 1 + static_cast<int32_t>(random_.Below(9)));
  pool_->Compute(work.blocks, work.request, layer, layer + 1, from, to);
  work.computed[static_cast<size_t>(layer)] = to;
  prefill_->KvReady(sequence, layer, layer + 1, to);
  if (!prefilling_.contains(sequence)) return;
  if (work.computed[1] < work.prompt_tokens) return;
  work.prefilled = true;
  prefill_->Prefilled(sequence, {.token = static_cast<TokenId>(work.request % 1000),
                                 .position = work.prompt_tokens});
}

/// A committed sequence has generated its tokens: its blocks go back.
void WorldWorker::FinishGeneration() {
  for (auto it = decoding_.begin(); it != decoding_.end(); ++it) {
    if (it->second.state != Receiving::kCommitted) continue;
    EXPECT_TRUE(pool_->Holds(it->second.blocks, it->second.request, it->second.prompt_tokens))
        << "one owner: KV changed after its commit";
    pool_->Free(it->second.blocks);
    decoding_.erase(it);
    return;
  }
}

void WorldWorker::Replay() {
  if (seen_.empty()) return;
  Seen old = seen_[random_.Below(seen_.size())];
  const bool damage = random_.Below(2) == 0;
  if (damage && !old.bytes.empty()) {
    char& byte = old.bytes[random_.Below(old.bytes.size())];
    byte = static_cast<char>(byte ^ (1 << random_.Below(8)));
  }
  if (!peer_ids_.empty() && random_.Below(2) == 0) {
    auto joined = peer_ids_.begin();
    std::advance(joined, static_cast<int64_t>(random_.Below(peer_ids_.size())));
    old.peer = joined->second;  // Perhaps the same worker over a later connection.
  }
  // A sound acknowledgement or refusal cannot come twice over a transport that keeps order, and
  // means the same the second time; what must not happen is that it ends another hand-off.
  Dispatch(old.peer, std::as_bytes(std::span(old.bytes)));
}

void WorldWorker::Tick() {
  decode_->Tick();
  prefill_->Tick();
  const std::set<transport::PeerId> stuck = std::exchange(stuck_, {});
  for (const transport::PeerId peer : stuck) {
    for (const auto& [other, id] : std::map(peer_ids_)) {
      if (id == peer) Lose(other);
    }
  }
}

void WorldWorker::CheckInvariants() {
  pool_->CheckFreeBlocks();
  const DecodeSideStats d = decode_->Stats();
  const PrefillSideStats p = prefill_->Stats();
  const auto waiting = std::count_if(decoding_.begin(), decoding_.end(), [](const auto& work) {
    return work.second.state != Receiving::kCommitted;
  });
  const int32_t decode_entries = d.offered + d.aborting + d.quarantined;
  const int32_t prefill_entries = p.queued + p.prefilling + p.flushing + p.aborting;
  EXPECT_EQ(decode_entries, waiting) << "no orphan: a reservation without a hand-off";
  EXPECT_EQ(prefill_entries, static_cast<int32_t>(prefilling_.size())) << "no orphan";
  EXPECT_LE(decode_entries, 6) << "bounded";
  EXPECT_LE(prefill_entries, 4) << "bounded";
  EXPECT_EQ(decode_->NextDeadline().has_value(), decode_entries > 0) << "no orphan: no deadline";
  EXPECT_EQ(prefill_->NextDeadline().has_value(), prefill_entries > 0) << "no orphan: no deadline";
}

bool WorldWorker::AtRest() const {
  return decoding_.empty() && prefilling_.empty() && pool_->AllFree();
}

void WorldWorker::OnCommitted(SequenceId sequence, TokenOutput first, const CommitReport&) {
  Decoding& work = decoding_.at(sequence);
  EXPECT_EQ(work.state, Receiving::kOffered) << "one owner: committed twice or after its end";
  EXPECT_TRUE(pool_->Holds(work.blocks, work.request, work.prompt_tokens))
      << "no early decode: KV is not whole";
  EXPECT_EQ(first.token, static_cast<TokenId>(work.request % 1000));
  work.state = Receiving::kCommitted;
  ++commits_;
}

void WorldWorker::OnHandoffFailed(SequenceId sequence, Failure, Status status) {
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(decoding_.at(sequence).state, Receiving::kOffered);
  decoding_.at(sequence).state = Receiving::kFailed;
  ++failures_;
}

void WorldWorker::OnReleased(SequenceId sequence) {
  const Decoding& work = decoding_.at(sequence);
  EXPECT_TRUE(work.state == Receiving::kFailed || work.state == Receiving::kCancelled);
  pool_->Free(work.blocks);
  decoding_.erase(sequence);
}

Result<SequenceId> WorldWorker::OnOffer(transport::PeerId, Request request) {
  if (random_.Below(20) == 0) return ResourceExhausted("chance");
  const SequenceId sequence{++last_sequence_};
  prefilling_[sequence] = {.request = request.cache_salt,
                           .prompt_tokens = static_cast<int32_t>(request.prompt.size()),
                           .blocks = {},
                           .computed = {}};
  return sequence;
}

void WorldWorker::OnAbort(SequenceId sequence) { prefilling_.at(sequence).aborted = true; }

void WorldWorker::OnFinished(SequenceId sequence, const PrefillReport&) {
  pool_->Free(prefilling_.at(sequence).blocks);
  prefilling_.erase(sequence);
}

void WorldWorker::OnPeerStuck(transport::PeerId peer, Status) { stuck_.insert(peer); }

void WorldWorker::OnMessage(transport::PeerId peer, std::span<const std::byte> message) {
  seen_.push_back({peer, {reinterpret_cast<const char*>(message.data()), message.size()}});
  if (seen_.size() > kMostSeen) seen_.erase(seen_.begin());
  Dispatch(peer, message);
}

void WorldWorker::Dispatch(transport::PeerId peer, std::span<const std::byte> message) {
  switch (SideOf(message)) {
    case Side::kPrefill: return prefill_->OnMessage(peer, message);
    case Side::kDecode: return decode_->OnMessage(peer, message);
    case Side::kNone: return;
  }
}

void WorldWorker::OnTransferDone(transport::PeerId peer, transport::TransferId transfer,
                                 Status status) {
  prefill_->OnTransferDone(peer, transfer, status);
}

}  // namespace baton::handoff
