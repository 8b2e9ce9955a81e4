#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "baton/device/stream.h"

namespace baton::kernels::cuda {

/// What takes launches in place of running them; null: they run.
inline std::vector<std::function<void()>>*& Recording() {
  static std::vector<std::function<void()>>* recording = nullptr;
  return recording;
}

/// Repeats launches with the arguments that they had when they were recorded, as a CUDA graph does.
class RecordingStream final : public device::Stream {
 public:
  /// Counts in `replayed`, which outlives it.
  explicit RecordingStream(int& replayed) : replayed_(replayed) {}

  void SynchronizeAndWait() override {}
  bool replays() const override { return true; }
  void Replay(uint64_t key, const std::function<void()>& enqueue) override {
    const auto [graph, is_new] = graphs_.try_emplace(key);
    if (is_new) {
      Recording() = &graph->second;
      enqueue();
      Recording() = nullptr;
    }
    for (const auto& launch : graph->second) launch();
    ++replayed_;
  }

 private:
  std::unordered_map<uint64_t, std::vector<std::function<void()>>> graphs_;
  int& replayed_;
};

}  // namespace baton::kernels::cuda
