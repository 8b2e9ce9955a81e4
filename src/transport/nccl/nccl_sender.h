#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../transfer_done.h"
#include "nccl_end.h"
#include "nccl_messages.h"

namespace baton::transport {

/// The sending end of a connection: makes communicators, launches the puts in order, and tells when
/// they have ended. A put is announced by a message, launched in groups, and confirmed by one.
///
/// closed -> connecting -> ready -> broken -> connecting: an end that fails, hangs, or is told so
/// by the peer breaks the communicator, and a new one, of the next generation, is made after a
/// delay. *Threads*: lives on the transport thread. *Invariants*: a transfer that was launched ends
/// badly only when the receiver has said that nothing of it can land any more, or by Close().
class NcclSender {
 public:
  using Send = std::function<Status(const NcclMessage& message)>;
  /// Takes a communicator that was aborted, until it is quiet.
  using Bury = std::function<void(std::unique_ptr<NcclCommunicator>)>;

  NcclSender(const NcclSurroundings& around, Send send, Bury bury)
      : around_(around), send_(std::move(send)), bury_(std::move(bury)) {}

  /// The peer has connected: makes the first communicator. Idempotent.
  void Open(TimePoint now);
  void Put(TransferId id, std::vector<Descriptor> pieces);
  void OnPutDone(const NcclPutDone& message, TimePoint now);
  void OnFailed(const NcclFailed& message, TimePoint now);
  /// Does what is ready and appends the transfers that ended. True when anything happened.
  bool Progress(TimePoint now, std::vector<TransferDone>& done);
  /// Whether Progress() should be called again soon though no message arrives.
  bool busy() const;
  /// Ends all transfers and gives up the communicator.
  void Close(std::vector<TransferDone>& done);
  std::string Describe() const;

 private:
  enum class State { kClosed, kConnecting, kReady, kBroken };
  struct Transfer {
    TransferId id{};
    std::vector<Descriptor> pieces;
    size_t given = 0;
    /// Launches that our device has not finished.
    int under_way = 0;
    bool confirmed = false;
  };

  void Invite(TimePoint now);
  Status BeginCommunicator();
  Status Connect(TimePoint now);
  Result<bool> Move(TimePoint now);
  Result<bool> Launch(TimePoint now);
  NcclPut TakeGroup(Transfer& transfer, std::vector<NcclRun>& runs);
  Result<bool> FinishLaunches(TimePoint now);
  Transfer* Find(TransferId id);
  bool FinishTransfers(std::vector<TransferDone>& done);
  /// `peer_is_quiet`: the receiver can write no more.
  void Break(const Status& status, TimePoint now, bool peer_is_quiet);
  void GiveUp();
  /// Reports the transfers that broke, once nothing of them can land.
  void EndBroken();

  const NcclSurroundings& around_;
  const Send send_;
  const Bury bury_;
  State state_ = State::kClosed;
  uint32_t generation_ = 0;
  NcclEnd end_;
  std::deque<Transfer> transfers_;
  TimePoint last_progress_{};
  /// While connecting: when that is given up. While broken: when a new one is made.
  TimePoint deadline_{};
  Duration retry_delay_{};
  bool peer_is_quiet_ = true;
  Status failure_;
  std::vector<TransferId> broken_;
  std::vector<TransferDone> ended_;
};

}  // namespace baton::transport
