#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "baton/base/clock.h"
#include "baton/base/status.h"

namespace baton::nodes {

/// What one node tells another: a kind, which whoever uses the link knows, and bytes.
struct Frame {
  uint32_t kind = 0;
  std::string body;
};

/// A stream of bytes between two nodes of one worker, for frames or as it is. Every wait ends with
/// Shutdown() or with the other node. *Threads*: one sends at a time, but for frames, which any may
/// send; one receives; Shutdown() is thread-safe.
class Link {
 public:
  /// Of a connected socket. `peer` names the other node in errors, e.g. "node 1 (10.0.0.7:41234)".
  Link(int socket, std::string peer);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// They fail with Unavailable, naming the peer, once it or the link has ended.
  Status SendBytes(const void* data, size_t bytes);
  Status ReceiveBytes(void* data, size_t bytes);
  Status Send(uint32_t kind, std::string_view body = {});
  /// Fails with DataLoss for more than kMostFrame bytes.
  Result<Frame> Receive();
  /// True when something is there to be received, or the end; waits for it at most `timeout`.
  bool AwaitReadable(Duration timeout) const;

  /// Ends the link for both nodes: what was sent before arrives.
  void Shutdown();

  const std::string& peer() const { return peer_; }
  void SetPeer(std::string peer) { peer_ = std::move(peer); }

  static constexpr size_t kMostFrame = size_t{256} << 20;

 private:
  Status Ended(const char* doing, int error) const;

  const int socket_;
  std::string peer_;
  /// A mutex, since signs of life come between the frames of another thread.
  std::mutex sending_;
};

}  // namespace baton::nodes
