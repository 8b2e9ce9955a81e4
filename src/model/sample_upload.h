#pragma once

#include <cstdint>
#include <span>

#include "baton/device/memory.h"
#include "baton/device/stream.h"
#include "baton/ops/ops.h"
#include "step_upload.h"

namespace baton::model {

/// The rows of a draw and their lists on the way to the device: as the operations' plan, where they
/// have one, else as they are. *Threads*: lives on the engine thread.
class SampleUpload {
 public:
  /// All of one device; they outlive this.
  SampleUpload(const ops::Ops& ops, device::DeviceMemory& memory, device::Stream& stream,
               int64_t vocabulary)
      : ops_(ops), memory_(memory), vocabulary_(vocabulary), upload_(memory, stream) {}

  /// Rows that place is kept for, where the operations have a plan of them.
  struct Most {
    int64_t rows = 0;     ///< That are sent together.
    int64_t at_once = 0;  ///< Of them in one draw.
    bool masks = false;   ///< Whether they may have masks.
  };
  /// What AllocateAndWait() takes of the device's memory.
  static int64_t DeviceBytes(const ops::Ops& ops, int64_t vocabulary, const Most& most);

  /// Fails with ResourceExhausted.
  Status AllocateAndWait(const Most& most);

  /// Enqueues the rows' copy; what they point to may change afterwards. Waits where there is too
  /// little place, as other lists than masks may need, or the copy before the last is under way.
  /// Fails with ResourceExhausted.
  Status SendAndMaybeWait(std::span<const ops::SampleRow> rows);

  /// Those of the rows [begin, begin + count) that were sent last; logits and outputs are missing.
  /// REQUIRES: begin is 0, or all rows before have given tokens.
  ops::SampleParams Params(int64_t begin, int64_t count) const;

 private:
  void Plan(std::span<const ops::SampleRow> rows);
  void Copy(std::span<const ops::SampleRow> rows);
  size_t CopiedBytes(std::span<const ops::SampleRow> rows) const;
  void CopyLists(StepPacker& packer, ops::SampleRow& row) const;
  bool plans() const { return ops_.plan_sample != nullptr; }

  const ops::Ops& ops_;
  device::DeviceMemory& memory_;
  const int64_t vocabulary_;
  StepUpload upload_;
  device::Allocation scratch_;
  const ops::SampleRow* rows_ = nullptr;  ///< Where the device reads them, without a plan.
  size_t row_bytes_ = 0;                  ///< Of a plan's row with a given token.
  ops::SampleStages stages_;
};

}  // namespace baton::model
