#include "support/engine_pair.h"

#include <cstring>
#include <utility>

#include "baton/base/check.h"

namespace baton::testing_support {

using engine::Goal;

EnginePair::EnginePair(model::Model& model, const DriverOptions& prefill,
                       const DriverOptions& decode, uint64_t seed)
    : random_(seed), device_(prefill.device), prefill_(model, prefill), decode_(model, decode) {
  prefill_.kv_ready = [this](SequenceId sequence, int32_t begin, int32_t end, int32_t tokens) {
    Copy(sequence, begin, end, tokens);
  };
}

SequenceId EnginePair::Submit(const Request& request, int32_t local_prefill_max_tokens) {
  const SequenceId sequence = decode_.Submit(request, Goal::kDecode, local_prefill_max_tokens);
  handoffs_[sequence].request = request;
  return sequence;
}

void EnginePair::Offer(SequenceId sequence, Handoff& handoff) {
  handoff.offered = true;
  const size_t layers = static_cast<size_t>(decode_.cache().geometry().layers);
  handoff.copied.assign(layers, decode_.log(sequence).blocks->cached_tokens);
  handoff.at_prefill = prefill_.Submit(handoff.request, Goal::kPrefill);
  at_decode_[handoff.at_prefill] = sequence;
}

void EnginePair::Copy(SequenceId at_prefill, int32_t layer_begin, int32_t layer_end,
                      int32_t tokens) {
  const SequenceId sequence = at_decode_.at(at_prefill);
  Handoff& handoff = handoffs_.at(sequence);
  if (handoff.over) return;
  for (int32_t layer = layer_begin; layer < layer_end; ++layer) {
    int32_t& position = handoff.copied[static_cast<size_t>(layer)];
    for (; position < tokens; ++position) CopyPosition(handoff, sequence, layer, position);
  }
}

void EnginePair::CopyPosition(const Handoff& handoff, SequenceId at_decode, int32_t layer,
                              int32_t position) {
  const int64_t row = decode_.cache().geometry().row_bytes();
  // K (plane 0) or V (1) of head g; the two engines' blocks may differ in size.
  const auto place = [&](EngineDriver& driver, SequenceId sequence, int32_t plane, int32_t g) {
    const ops::PagedKv kv = driver.cache().Layer(layer);
    const auto& blocks = driver.log(sequence).blocks->blocks;
    const BlockId block = blocks[static_cast<size_t>(position / kv.P)];
    return kv.base + Index(block) * kv.block_stride + plane * kv.v_offset +
           (g * kv.P + position % kv.P) * row;
  };
  const auto copy = [&] {
    for (int32_t g = 0; g < decode_.cache().geometry().kv_heads; ++g) {
      for (const int32_t plane : {0, 1}) {
        std::memcpy(place(decode_, at_decode, plane, g),
                    place(prefill_, handoff.at_prefill, plane, g), static_cast<size_t>(row));
      }
    }
  };
  device_ == nullptr ? copy() : device_->Touch(copy);
}

bool EnginePair::Advance(SequenceId sequence, Handoff& handoff) {
  if (!decode_.log(sequence).blocks) return false;
  if (!handoff.offered) {
    if (handoff.over) {  // Ended before the peer heard of it.
      if (!std::exchange(handoff.released_decode, true)) decode_.engine().Release(sequence);
      return false;
    }
    Offer(sequence, handoff);
    return true;
  }
  if (handoff.over) {
    // Late, and in any order.
    if (!handoff.released_prefill && random_.Below(3) == 0) {
      prefill_.engine().Release(handoff.at_prefill);
      return handoff.released_prefill = true;
    }
    if (!handoff.released_decode && random_.Below(3) == 0) {
      decode_.engine().Release(sequence);
      return handoff.released_decode = true;
    }
    return !(handoff.released_prefill && handoff.released_decode);
  }
  const SequenceLog& log = prefill_.log(handoff.at_prefill);
  if (log.failed) {
    decode_.engine().FailHandoff(sequence, *log.failed);
    return handoff.over = true;
  }
  if (!log.prefilled) return false;
  decode_.engine().Commit(sequence, *log.prefilled);
  handoff.over = handoff.released_decode = true;
  return true;
}

void EnginePair::Step() {
  for (auto& [sequence, handoff] : handoffs_) {
    if (random_.Below(2) == 0) Advance(sequence, handoff);
  }
  if (random_.Below(2) == 0) prefill_.engine().Step();
  if (random_.Below(2) == 0) decode_.engine().Step();
}

void EnginePair::RunUntilIdle() {
  // A step that only hands out blocks computes nothing, but gives the hand-off something to do.
  for (int steps = 0, quiet = 0; quiet < 3; ++steps) {
    BATON_CHECK(steps < 100'000) << "no end in sight";
    bool busy = false;
    for (auto& [sequence, handoff] : handoffs_) busy = Advance(sequence, handoff) || busy;
    busy = prefill_.engine().Step() || busy;
    busy = decode_.engine().Step() || busy;
    quiet = busy ? 0 : quiet + 1;
  }
}

void EnginePair::Cancel(SequenceId sequence) {
  Handoff& handoff = handoffs_.at(sequence);
  decode_.engine().Cancel(sequence);
  if (handoff.over) return;
  handoff.over = true;
  if (handoff.offered) prefill_.engine().Cancel(handoff.at_prefill);
}

void EnginePair::Break(SequenceId sequence) {
  Handoff& handoff = handoffs_.at(sequence);
  if (handoff.over || !handoff.offered) return;
  handoff.over = true;
  prefill_.engine().Cancel(handoff.at_prefill);
  decode_.engine().FailHandoff(sequence, Unavailable("broken by the test"));
}

int64_t EnginePair::local_prefills() {
  int64_t count = 0;
  for (const auto& [sequence, handoff] : handoffs_) count += !handoff.offered;
  return count;
}

}  // namespace baton::testing_support
