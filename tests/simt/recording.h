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
  bool records() const override { return true; }
  bool Record(uint64_t key, const std::function<void()>& enqueue) override {
    Recording() = &graphs_[key];
    enqueue();
    Recording() = nullptr;
    return true;
  }
  void Replay(uint64_t key) override {
    for (const auto& launch : graphs_.at(key)) launch();
    ++replayed_;
  }
  void ForgetRecordings() override { graphs_.clear(); }

 private:
  std::unordered_map<uint64_t, std::vector<std::function<void()>>> graphs_;
  int& replayed_;
};

}  // namespace baton::kernels::cuda
