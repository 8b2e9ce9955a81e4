#include "checks.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

namespace baton::simulation {
namespace {

using scheduler::SequenceState;

std::string Name(const SimulatedWorker& worker, const scheduler::Sequence& sequence) {
  return worker.endpoint() + " sequence " + std::to_string(Index(sequence.id));
}

const std::byte* Memory(const SimulatedWorker& worker) {
  return worker.core().cache().memory().data();
}

/// Where a byte of a block belongs.
struct Place {
  int32_t token = 0;
  /// layer, K or V, head: counted as in Expected::kv.
  int64_t row = 0;
  int64_t byte = 0;
};

Place PlaceOf(const kv::KvGeometry& geometry, int64_t offset) {
  const int64_t row_bytes = geometry.row_bytes();
  const int64_t rows = offset / row_bytes;
  return {.token = static_cast<int32_t>(rows % geometry.block_tokens),
          .row = rows / geometry.block_tokens,
          .byte = offset % row_bytes};
}

}  // namespace

void Checks::Check(const SimulatedWorker& worker) const {
  OneOwner(worker);
  for (const auto& [id, sequence] : worker.engine().sequences()) {
    if (sequence->state == SequenceState::kRunning) NoEarlyDecode(worker, *sequence);
  }
  if (worker.quiet()) NoOrphan(worker);
  Bounded(worker);
}

void Checks::OneOwner(const SimulatedWorker& worker) const {
  const kv::BlockPool& pool = worker.engine().pool();
  std::vector<int32_t> shares(static_cast<size_t>(pool.size()));
  std::vector<bool> quarantined(static_cast<size_t>(pool.size()));
  for (const auto& [id, sequence] : worker.engine().sequences()) {
    const bool writable = sequence->state == SequenceState::kHeld && sequence->remote_prefill;
    for (const BlockId block : sequence->blocks.blocks()) {
      ++shares[static_cast<size_t>(Index(block))];
      if (writable) quarantined[static_cast<size_t>(Index(block))] = true;
    }
  }
  for (const auto& sequence : worker.engine().ending()) {
    for (const BlockId block : sequence->blocks.blocks()) {
      ++shares[static_cast<size_t>(Index(block))];
    }
  }
  for (int32_t i = 0; i < pool.size(); ++i) {
    const BlockId block{i};
    const int32_t held = shares[static_cast<size_t>(i)];
    const auto describe = [&] {
      return worker.endpoint() + " block " + std::to_string(i) + " has " + std::to_string(held) +
             " owners, the pool says state " + std::to_string(static_cast<int>(pool.state(block))) +
             ", " + std::to_string(pool.shares(block)) + " shares";
    };
    if (quarantined[static_cast<size_t>(i)]) {
      if (held != 1 || pool.state(block) != kv::BlockState::kQuarantined) {
        ADD_FAILURE() << "release late: " << describe();
      }
    } else if ((pool.state(block) == kv::BlockState::kUsed) != (held > 0) ||
               pool.state(block) == kv::BlockState::kQuarantined ||
               (held > 0 && pool.shares(block) != held)) {
      ADD_FAILURE() << "one owner: " << describe();
    }
  }
}

/// Also what makes KV of another position, request or time visible: all that is computed or came
/// from a peer is compared with the KV of a lone engine.
void Checks::NoEarlyDecode(const SimulatedWorker& worker, const Sequence& sequence) const {
  const Expected& expected = oracle_.BySeed(sequence.sampling.seed);
  if (sequence.size() > static_cast<int32_t>(expected.all_tokens.size()) ||
      !std::equal(sequence.tokens.begin(), sequence.tokens.end(), expected.all_tokens.begin())) {
    ADD_FAILURE() << "same tokens: " << Name(worker, sequence);
    return;
  }
  const kv::KvCache& cache = worker.core().cache();
  const kv::KvGeometry& geometry = cache.geometry();
  const std::byte* base = Memory(worker);
  const auto row_bytes = static_cast<size_t>(geometry.row_bytes());
  for (int32_t position = 0; position < sequence.computed; ++position) {
    const size_t index = static_cast<size_t>(position / geometry.block_tokens);
    const std::byte* block = base + Index(sequence.blocks.blocks()[index]) * geometry.block_bytes();
    for (int64_t row = 0; row < oracle_.rows(); ++row) {
      const std::byte* found =
          block +
          (row * geometry.block_tokens + position % geometry.block_tokens) * geometry.row_bytes();
      if (std::memcmp(found, oracle_.Row(expected, position, row).data(), row_bytes) != 0) {
        ADD_FAILURE() << "no early decode: " << Name(worker, sequence)
                      << " runs, but its KV of position " << position << " is wrong";
        return;
      }
    }
  }
}

void Checks::NoOrphan(const SimulatedWorker& worker) const {
  int32_t receiving = 0;
  int32_t sending = 0;
  for (const auto& [id, sequence] : worker.engine().sequences()) {
    const bool blocks = sequence->state == SequenceState::kReserved ||
                        (sequence->state == SequenceState::kHeld && sequence->remote_prefill);
    receiving += blocks;
    sending += sequence->prefill_only;
  }
  const auto decode = worker.core().decode_side().Stats();
  const auto prefill = worker.core().prefill_side().Stats();
  const int32_t reserved = decode.offered + decode.aborting + decode.quarantined;
  const int32_t sent = prefill.queued + prefill.prefilling + prefill.flushing + prefill.aborting;
  if (receiving != reserved) {
    ADD_FAILURE() << "no orphan: " << worker.endpoint() << " has blocks for " << receiving
                  << " hand-offs, of which " << reserved << " are under way\n"
                  << worker.core().decode_side().DebugString();
  }
  if (sending != sent) {
    ADD_FAILURE() << "no orphan: " << worker.endpoint() << " prefills for " << sending
                  << " hand-offs, of which " << sent << " are under way\n"
                  << worker.core().prefill_side().DebugString();
  }
  if (worker.core().decode_side().NextDeadline().has_value() != (reserved > 0) ||
      worker.core().prefill_side().NextDeadline().has_value() != (sent > 0)) {
    ADD_FAILURE() << "no orphan: " << worker.endpoint() << " has a hand-off without a deadline";
  }
}

void Checks::Bounded(const SimulatedWorker& worker) const {
  const auto& options = worker.options();
  const auto prefill = worker.core().prefill_side().Stats();
  const int32_t sent = prefill.queued + prefill.prefilling + prefill.flushing + prefill.aborting;
  const engine::EngineStats stats = worker.engine().Stats();
  // Preempted sequences wait beyond the limit.
  const int32_t waiting = options.engine.waiting_sequences + options.engine.running_sequences;
  if (sent > options.handoffs || stats.waiting > waiting ||
      stats.running > options.engine.running_sequences) {
    ADD_FAILURE() << "bounded: " << worker.endpoint() << " has " << sent << " hand-offs, "
                  << stats.running << " running and " << stats.waiting << " waiting sequences";
  }
}

const scheduler::Sequence* Checks::Reserved(const SimulatedWorker& worker, BlockId block,
                                            int32_t& index) const {
  for (const auto& [id, sequence] : worker.engine().sequences()) {
    const bool held = sequence->state == SequenceState::kHeld;
    if (!sequence->remote_prefill || (!held && sequence->state != SequenceState::kReserved))
      continue;
    const auto& blocks = sequence->blocks.blocks();
    const auto found = std::find(blocks.begin(), blocks.end(), block);
    if (found == blocks.end()) continue;
    // What the prefix index held is no part of a quarantine.
    index = static_cast<int32_t>(found - blocks.begin()) + (held ? sequence->indexed_blocks : 0);
    return sequence.get();
  }
  return nullptr;
}

void Checks::CheckWrite(const transport::LoopbackWrite& write) const {
  const SimulatedWorker* from = find_(write.from);
  const SimulatedWorker* to = find_(write.to);
  if (to == nullptr) return;  // Dead: its memory is nobody's.
  ASSERT_NE(from, nullptr) << write.from << " writes after its end";
  const int64_t here = from->core().cache().geometry().block_bytes();
  const int64_t there = to->core().cache().geometry().block_bytes();
  // In runs that stay within one block on either side.
  Run run{.local = static_cast<int64_t>(write.piece.local_offset),
          .remote = static_cast<int64_t>(write.piece.remote_offset)};
  for (auto left = static_cast<int64_t>(write.piece.bytes); left > 0; left -= run.bytes) {
    run.bytes = std::min({left, here - run.local % here, there - run.remote % there});
    CheckRun(*from, *to, run);
    if (testing::Test::HasFailure()) return;
    run.local += run.bytes;
    run.remote += run.bytes;
  }
}

void Checks::CheckRun(const SimulatedWorker& from, const SimulatedWorker& to,
                      const Run& run) const {
  const kv::KvGeometry& there = to.core().cache().geometry();
  const BlockId target{static_cast<int32_t>(run.remote / there.block_bytes())};
  int32_t index = 0;
  const Sequence* receiving = Reserved(to, target, index);
  ASSERT_NE(receiving, nullptr) << "release late: " << from.endpoint() << " writes into block "
                                << Index(target) << " of " << to.endpoint()
                                << ", which no hand-off has reserved";
  ASSERT_GE(index, receiving->indexed_blocks)
      << "one owner: " << from.endpoint() << " writes into the prefix cache of " << to.endpoint();

  const BlockId source{
      static_cast<int32_t>(run.local / from.core().cache().geometry().block_bytes())};
  const auto& sequences = from.engine().sequences();
  const bool pinned = std::any_of(sequences.begin(), sequences.end(), [&](const auto& entry) {
    const auto& blocks = entry.second->blocks.blocks();
    return entry.second->prefill_only && entry.second->sampling.seed == receiving->sampling.seed &&
           std::find(blocks.begin(), blocks.end(), source) != blocks.end();
  });
  ASSERT_TRUE(pinned) << "pinned while moving: " << from.endpoint() << " reads block "
                      << Index(source) << ", which no hand-off of this request holds";

  const Expected& expected = oracle_.BySeed(receiving->sampling.seed);
  for (int64_t i = 0; i < run.bytes; ++i) {
    const Place place = PlaceOf(there, (run.remote + i) % there.block_bytes());
    const int32_t position = index * there.block_tokens + place.token;
    if (position >= receiving->prompt_tokens) continue;  // Has no meaning.
    ASSERT_EQ(Memory(from)[run.local + i],
              oracle_.Row(expected, position, place.row)[static_cast<size_t>(place.byte)])
        << "pinned while moving: " << from.endpoint() << " puts wrong KV of position " << position
        << " into " << Name(to, *receiving);
  }
}

}  // namespace baton::simulation
