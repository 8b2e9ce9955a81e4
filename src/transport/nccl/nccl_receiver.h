#pragma once

#include <deque>
#include <vector>

#include "nccl_sender.h"

namespace baton::transport {

/// The receiving end of a connection: joins the communicators that the sender makes, checks each
/// announced put against our regions, posts its receives, and confirms what is in place.
///
/// closed -> connecting -> ready -> breaking -> broken -> connecting: it breaks when it fails,
/// hangs, is asked for what cannot be, or is told to; it is broken, and says so, once nothing can
/// write. *Threads*: lives on the transport thread. *Invariants*: nothing of an earlier generation
/// runs on our device when it has said that one is broken; receives stay within our regions.
class NcclReceiver {
 public:
  NcclReceiver(const NcclSurroundings& around, NcclSender::Send send, NcclSender::Bury bury)
      : around_(around), send_(std::move(send)), bury_(std::move(bury)) {}

  void OnInvite(const NcclInvite& message, TimePoint now);
  void OnPut(NcclPut message, TimePoint now);
  void OnFailed(const NcclFailed& message);
  /// Does what is ready. True when anything happened.
  bool Progress(TimePoint now);
  bool busy() const;
  /// Gives up the communicator.
  void Close();

 private:
  enum class State { kClosed, kConnecting, kReady, kBreaking, kBroken };

  Status CheckRuns(const NcclPut& put) const;
  Status Connect(TimePoint now);
  Result<bool> Move(TimePoint now);
  Result<bool> Launch(TimePoint now);
  Result<bool> FinishLaunches(TimePoint now);
  void Break(const Status& status);

  const NcclSurroundings& around_;
  const NcclSender::Send send_;
  const NcclSender::Bury bury_;
  State state_ = State::kClosed;
  uint32_t generation_ = 0;
  NcclEnd end_;
  std::deque<NcclPut> waiting_;
  TimePoint deadline_{};
  TimePoint last_progress_{};
  Status failure_;
};

}  // namespace baton::transport
