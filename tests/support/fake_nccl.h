#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "nccl/nccl_api.h"
#include "support/fake_device.h"

namespace baton::transport {

/// NCCL within one process: communicators that connect after some looks, launch after some more,
/// and copy within a FakeDevice. Whatever the real one forbids ends the process: a call while a
/// communicator is not ready, runs that do not match, a communicator destroyed before it is quiet.
/// *Threads*: thread-safe, because each end lives on the thread of its transport.
class FakeNccl {
 public:
  /// What goes wrong, for communicators from now on unless said otherwise.
  struct Faults {
    /// Looks until a connection or a launch is through.
    int looks = 2;
    bool connecting_hangs = false;
    bool connecting_fails = false;
    bool launching_fails = false;
    /// Launched work does nothing; of all communicators.
    bool transfers_hang = false;
    /// Aborted ones stay on the device; of all communicators.
    bool aborts_hang = false;
  };

  explicit FakeNccl(device::FakeDevice& device) : device_(device) {}

  std::unique_ptr<NcclApi> MakeApi(int version = 22809);
  Faults& faults() { return faults_; }
  /// All communicators that are connected now are broken, as by a failing network.
  void BreakAll();
  /// Communicators that were begun, and that have not been destroyed.
  int begun() const { return begun_; }
  int alive() const { return alive_; }

 private:
  friend class FakeApi;
  friend class FakeCommunicator;

  /// One launch of one end.
  struct Work {
    std::vector<NcclRun> runs;
    bool started = false;
    bool done = false;
  };
  /// The two ends of one unique id.
  struct Pair {
    bool there[2] = {};
    bool aborted[2] = {};
    bool broken = false;
    std::deque<std::shared_ptr<Work>> work[2];
    /// Of the sender's first launch: the run that is sent, and how much of it is.
    size_t run = 0;
    uint64_t sent = 0;
    /// What has left the sender and is not in the receiver's memory, and whether it ends a launch.
    std::string buffer;
    std::byte* buffer_to = nullptr;
    bool buffer_is_last = false;
  };

  void Move(Pair& pair);
  void Fill(Pair& pair);
  void Flush(Pair& pair);

  device::FakeDevice& device_;
  std::mutex mutex_;
  Faults faults_;
  uint64_t ids_ = 0;
  std::map<NcclUniqueId, std::shared_ptr<Pair>> pairs_;
  int begun_ = 0;
  int alive_ = 0;
};

}  // namespace baton::transport
