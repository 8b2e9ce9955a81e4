#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "baton/base/clock.h"
#include "baton/nodes/link.h"

namespace baton::nodes {

/// Receives the frames of a link on a thread of its own, and exchanges signs of life with the one
/// at the other end. Frames of its kind are not handed on.
class LinkThread {
 public:
  struct Listener {
    std::function<void(Frame)> on_frame;
    /// The other node has ended, or said nothing for `silence`. Called once, and last.
    std::function<void(Status)> on_lost;
  };

  /// Both ends have the same `silence`. Calls come on the thread.
  LinkThread(std::shared_ptr<Link> link, Duration silence, Clock& clock, Listener listener);
  /// Ends the link; on_lost is not called for that.
  ~LinkThread();

  /// The kind of signs of life.
  static constexpr uint32_t kSign = 0;

 private:
  void Run(const std::stop_token& stop);
  Status ReceiveUntilEnd(const std::stop_token& stop);

  const std::shared_ptr<Link> link_;
  const Duration silence_;
  Clock& clock_;
  const Listener listener_;
  std::jthread thread_;
};

}  // namespace baton::nodes
