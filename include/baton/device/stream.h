#pragma once

#include <cstdint>
#include <functional>

namespace baton::device {

/// Where operations run, in order. On the host an operation has finished when its call returns.
/// *Threads*: lives on the thread of its owner (the engine).
class Stream {
 public:
  virtual ~Stream() = default;
  /// Returns when all that was enqueued has finished.
  virtual void SynchronizeAndWait() = 0;
};

}  // namespace baton::device
