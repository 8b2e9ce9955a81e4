#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "baton/model/step_runner.h"

namespace baton::model {

/// What the nodes of a worker tell each other about steps: the kinds of frames.
enum class StepFrame : uint32_t { kBegin = 1, kFinish, kReady, kWritten, kFinished };

/// A step as it crosses from one node to another.
struct SentStep {
  std::vector<TokenId> tokens;
  std::vector<DrawnToken> drawn;
  std::vector<int32_t> query_begin;
  std::vector<int32_t> kv_tokens;
  std::vector<int32_t> block_tables;
  std::vector<int32_t> logit_rows;
  std::vector<int32_t> scored_rows;
  std::vector<ops::SampleRow> scored;
  int64_t table_stride = 0;
  int32_t layer_group = 0;
  /// The engine wants to know of written layers.
  bool announced = false;

  /// Valid as long as this.
  StepInput Input() const;
};

/// Replaces what is in `out`.
void EncodeStep(const StepInput& input, bool announced, std::string& out);

/// Fails with DataLoss for anything but a step within the limits, on blocks below `blocks`.
Result<SentStep> DecodeStep(std::string_view bytes, const StepLimits& limits, int32_t blocks);

/// How far a follower is.
struct StepProgress {
  uint64_t step = 0;
  /// Groups of layers, of this step.
  uint32_t written = 0;
  Status status;
};

std::string EncodeProgress(const StepProgress& progress);
Result<StepProgress> DecodeProgress(std::string_view bytes);

}  // namespace baton::model
