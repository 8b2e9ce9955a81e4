#pragma once

#include <csignal>
#include <memory>
#include <string>

#include <sys/types.h>

namespace baton::transport {

/// A process of its own with a UCX transport (transport_peer.cc); killed at the latest when this
/// goes out of scope.
class PeerProcess {
 public:
  /// What it does once it is connected: "serve" progresses and echoes messages (but for "leave",
  /// upon which it disconnects), "idle" never progresses, "put" also keeps putting into our region.
  static std::unique_ptr<PeerProcess> Start(const std::string& transports,
                                            const std::string& behaviour);
  ~PeerProcess();
  PeerProcess(const PeerProcess&) = delete;
  PeerProcess& operator=(const PeerProcess&) = delete;

  pid_t pid() const { return pid_; }
  const std::string& address() const { return address_; }
  /// Lets it connect to us.
  void Meet(const std::string& our_address);
  void Signal(int signal) { kill(pid_, signal); }
  /// SIGKILL, and waits for the end.
  void Kill();

 private:
  PeerProcess() = default;

  pid_t pid_ = -1;
  int to_peer_ = -1;
  int from_peer_ = -1;
  std::string address_;
};

}  // namespace baton::transport
