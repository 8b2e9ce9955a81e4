#pragma once

namespace baton::device {

/// Where operations run, in the order in which they were enqueued.
///
/// On a GPU an operation's call returns before its work is done: inputs, outputs and Params'
/// pointers must stay valid until a later SynchronizeAndWait. On the host an operation has finished
/// when its call returns; a caller that may meet either must not rely on it.
/// *Threads*: lives on the thread of its owner (the engine).
class Stream {
 public:
  virtual ~Stream() = default;
  /// Returns when all that was enqueued has finished.
  virtual void SynchronizeAndWait() = 0;
};

}  // namespace baton::device
