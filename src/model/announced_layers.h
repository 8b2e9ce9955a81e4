#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "baton/model/step_runner.h"

namespace baton::model {

/// The groups of layers of one step, as the first of several that compute it writes them; each is
/// announced once all have written it.
class AnnouncedLayers {
 public:
  /// Of another step from now on; nobody hears of its layers where `on_layers` is empty.
  void Begin(StepRunner::OnLayers on_layers) {
    on_layers_ = std::move(on_layers);
    groups_.clear();
    announced_ = 0;
  }
  /// Whether anybody is to hear of them.
  bool wanted() const { return on_layers_ != nullptr; }
  void Add(int32_t begin, int32_t end) { groups_.push_back({begin, end}); }
  /// How many groups the first has written.
  size_t written() const { return groups_.size(); }
  /// All others have written so many: announces those that were not.
  void AnnounceUpTo(size_t groups) {
    while (announced_ < groups) {
      const Layers layers = groups_[announced_++];
      on_layers_(layers.begin, layers.end);
    }
  }

 private:
  struct Layers {
    int32_t begin = 0;
    int32_t end = 0;
  };

  StepRunner::OnLayers on_layers_;
  std::vector<Layers> groups_;
  size_t announced_ = 0;
};

}  // namespace baton::model
