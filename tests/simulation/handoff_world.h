#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "baton/base/random.h"
#include "baton/handoff/decode_side.h"
#include "baton/handoff/prefill_side.h"
#include "baton/transport/loopback.h"

namespace baton::handoff {

/// 64 bytes per block, so that worlds are small and quick.
inline kv::KvGeometry WorldGeometry() {
  return {.layers = 2, .kv_heads = 1, .head_dim = 2, .block_tokens = 4, .dtype = DType::kBFloat16};
}

/// A worker's blocks. Free ones hold a pattern, so that a write that comes too late is seen.
/// *Invariants*: a block is free or has one holder.
class WorldPool {
 public:
  WorldPool(transport::MemoryRegion region, int32_t blocks);

  /// Empty when there are not enough. Reports what was written into free blocks.
  std::vector<BlockId> Allocate(int32_t count);
  void Free(const std::vector<BlockId>& blocks);
  bool AllFree() const { return free_.size() == static_cast<size_t>(blocks_); }
  void CheckFreeBlocks() const;

  /// The KV that the model computes for a prompt depends on nothing but the request and the place.
  void Compute(const std::vector<BlockId>& blocks, uint64_t request, int32_t layer_begin,
               int32_t layer_end, int32_t from_token, int32_t to_token);
  bool Holds(const std::vector<BlockId>& blocks, uint64_t request, int32_t tokens) const;

 private:
  template <typename Visit>
  static void ForEachByte(const std::vector<BlockId>& blocks, int32_t layer, int32_t token,
                          Visit visit);

  const transport::MemoryRegion region_;
  const int32_t blocks_;
  std::vector<BlockId> free_;
  std::set<BlockId> held_;
};

/// A worker of both roles with an engine that does what chance tells it.
class WorldWorker final : public DecodeSideListener,
                          public PrefillSideListener,
                          public transport::TransportListener {
 public:
  WorldWorker(transport::LoopbackNetwork& network, const std::string& name, Clock& clock,
              Random& random, bool checksums);

  const std::string& name() const { return description_.name; }
  const WorkerDescription& description() const { return description_; }
  transport::Transport& transport() { return *transport_; }
  DecodeSide& decode() { return *decode_; }
  PrefillSide& prefill() { return *prefill_; }

  void Join(WorldWorker& other, uint64_t connection);
  bool JoinedWith(const std::string& other) const { return peer_ids_.contains(other); }
  void Lose(const std::string& other);

  /// What chance makes the worker do.
  void OfferTo(const std::string& other, uint64_t request);
  void CancelSomething();
  void EngineStep();
  void FinishGeneration();
  /// Gives an old message once more, whole or damaged.
  void Replay();
  void Tick();

  void CheckInvariants();
  /// All sequences ended and all blocks are free.
  bool AtRest() const;

  int64_t commits() const { return commits_; }
  int64_t failures() const { return failures_; }

  void OnCommitted(SequenceId sequence, TokenOutput first, const CommitReport& report) override;
  void OnHandoffFailed(SequenceId sequence, Failure failure, Status status) override;
  void OnReleased(SequenceId sequence) override;
  Result<SequenceId> OnOffer(transport::PeerId peer, Request request) override;
  void OnAbort(SequenceId sequence) override;
  void OnFinished(SequenceId sequence, const PrefillReport& report) override;
  void OnPeerStuck(transport::PeerId peer, Status status) override;
  void OnMessage(transport::PeerId peer, std::span<const std::byte> message) override;
  void OnTransferDone(transport::PeerId peer, transport::TransferId transfer,
                      Status status) override;

 private:
  enum class Receiving { kOffered, kCancelled, kFailed, kCommitted };
  struct Decoding {
    Receiving state = Receiving::kOffered;
    uint64_t request = 0;
    int32_t prompt_tokens = 0;
    std::vector<BlockId> blocks;
  };
  struct Prefilling {
    uint64_t request = 0;
    int32_t prompt_tokens = 0;
    std::vector<BlockId> blocks;
    std::vector<int32_t> computed;
    bool aborted = false;
    bool prefilled = false;
  };
  struct Seen {
    transport::PeerId peer{};
    std::string bytes;
  };

  void Dispatch(transport::PeerId peer, std::span<const std::byte> message);
  void StepOne(SequenceId sequence, Prefilling& work);

  WorkerDescription description_;
  Random& random_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<WorldPool> pool_;
  std::unique_ptr<DecodeSide> decode_;
  std::unique_ptr<PrefillSide> prefill_;
  std::map<std::string, transport::PeerId> peer_ids_;
  std::set<transport::PeerId> stuck_;
  std::map<SequenceId, Decoding> decoding_;
  std::map<SequenceId, Prefilling> prefilling_;
  std::vector<Seen> seen_;
  uint64_t last_sequence_ = 0;
  int64_t commits_ = 0;
  int64_t failures_ = 0;
};

}  // namespace baton::handoff
