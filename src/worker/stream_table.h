#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "baton/base/clock.h"
#include "baton/base/ids.h"
#include "baton/rpc/server.h"
#include "traced_stream.h"

namespace baton::worker {

/// The callers of the sequences that this worker generates.
/// *Threads*: thread-safe; gRPC's threads add and remove, the engine and transport threads look up,
/// and none of them may wait for another, so this has a mutex instead of an owner.
class StreamTable {
 public:
  struct Entry {
    std::shared_ptr<rpc::GenerateStream> stream;
    /// Shared, so that a look-up does not copy the prompt.
    std::shared_ptr<const rpc::GenerateCall> call;
    /// The caller knows which workers serve it.
    bool routed = false;
    TimePoint received;
    /// Null unless the request is traced; then `stream` too, and the caller knows the one in it.
    std::shared_ptr<TracedStream> traced;
    const rpc::GenerateStream* caller = nullptr;
  };

  void Add(SequenceId sequence, Entry entry);
  std::shared_ptr<rpc::GenerateStream> Find(SequenceId sequence) const;
  std::optional<SequenceId> FindSequence(const rpc::GenerateStream* stream) const;
  /// A copy: not for every token.
  std::optional<Entry> FindEntry(SequenceId sequence) const;
  /// The call of a sequence whose caller is still there, else null.
  std::shared_ptr<const rpc::GenerateCall> FindCall(SequenceId sequence) const;
  /// The stream, when its caller has not been told the route yet; marks it as told.
  std::shared_ptr<rpc::GenerateStream> TakeUnrouted(SequenceId sequence);
  /// From now on its call names no prefill worker, for this reason.
  void KeepHere(SequenceId sequence, const std::string& reason);
  std::shared_ptr<rpc::GenerateStream> Remove(SequenceId sequence);
  /// Copies of all, in no order: for those who look for what holds them up.
  std::vector<std::pair<SequenceId, Entry>> Entries() const;
  /// All of them, in no order.
  std::vector<SequenceId> Sequences() const;
  size_t size() const;

 private:
  /// By which gRPC knows the stream of an entry.
  static const rpc::GenerateStream* KeyOf(const Entry& entry) {
    return entry.caller != nullptr ? entry.caller : entry.stream.get();
  }

  mutable std::mutex mutex_;
  std::unordered_map<SequenceId, Entry> entries_;
  std::unordered_map<const rpc::GenerateStream*, SequenceId> sequences_;
};

}  // namespace baton::worker
