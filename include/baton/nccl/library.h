#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "baton/base/dtype.h"
#include "baton/base/status.h"

namespace baton::nccl {

/// By it the ranks of a communicator find each other; good for one communicator.
using UniqueId = std::array<char, 128>;

/// Older ones lack what we need, or abort communicators unreliably.
inline constexpr int kLeastVersion = 21800;

/// The ranks of a communicator that are in this process.
struct Ranks {
  int first = 0;
  int here = 1;
  int all = 1;
};

/// One rank's end of a communicator, on one CUDA device. Streams are those of the CUDA runtime
/// (cudaStream_t); operations are enqueued on them. All fail with Unavailable.
/// *Threads*: lives on one thread, whose current device is the communicator's, but for Abort() and
/// AsyncError(). *Ownership*: whoever has not aborted it leaves it to the end of the process.
class Communicator {
 public:
  virtual ~Communicator() = default;
  /// Whether what was begun last is through; where not, nothing but AsyncError() and Abort() may be
  /// called. Fails when the communicator is broken, now or since. Never waits.
  virtual Result<bool> Ready() = 0;
  /// What is called between the two is enqueued as one, so that no two of it wait for each other.
  virtual Status GroupStart() = 0;
  virtual Status GroupEnd() = 0;
  virtual Status Send(const void* data, uint64_t bytes, int peer, void* stream) = 0;
  virtual Status Receive(void* data, uint64_t bytes, int peer, void* stream) = 0;
  /// x = the sum of x over all ranks, on all ranks. Of float32 or bfloat16.
  virtual Status AllReduce(void* x, uint64_t count, DType dtype, void* stream) = 0;
  /// Ends all that is under way; may wait for kernels of the whole device. Once, and nothing is
  /// called afterwards.
  virtual void AbortAndWait() = 0;
};

/// The library, loaded. *Threads*: thread-safe.
class Library {
 public:
  virtual ~Library() = default;
  /// E.g. 22809; all ranks of a communicator must have the same.
  virtual int version() const = 0;
  virtual Result<UniqueId> MakeUniqueId() = 0;
  /// Begins to connect one rank, on the current device. No call of this communicator waits; what
  /// fails at once is told by Ready() too.
  virtual std::unique_ptr<Communicator> Begin(const UniqueId& id, int rank, int ranks) = 0;
  /// Connects devices of this process, a rank each. Calls of these communicators wait until what
  /// they do is enqueued.
  virtual Result<std::vector<std::unique_ptr<Communicator>>> ConnectAndWait(
      std::span<const int> devices) = 0;
  /// Connects ranks [first, first + here) of one communicator from this process, others connect
  /// theirs by the same id. `make_current` makes the device of one of ours the thread's. Waits for
  /// all of them; calls of these communicators wait as above.
  virtual Result<std::vector<std::unique_ptr<Communicator>>> JoinAndWait(
      const UniqueId& id, const Ranks& ranks,
      const std::function<void(int here)>& make_current) = 0;
};

/// Loads NCCL, of this name, into the process, where it stays. Fails with Unavailable, saying what
/// is missing: this build, the file, a function, its version.
Result<std::shared_ptr<Library>> Load(const std::string& library = "libnccl.so.2");

/// Fails with Unavailable for a version that is too old, or of another major version than the one
/// that this was compiled against.
Status CheckVersion(int version, int compiled_version);

/// 22809 -> "2.28.9".
std::string VersionText(int version);

}  // namespace baton::nccl
