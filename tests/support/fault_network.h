#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "baton/base/clock.h"

namespace baton::test {

/// What happens to the frames from one host to another.
struct Wire {
  /// Probability that a frame is lost.
  double loss = 0;
  Duration delay{};
};

/// Hosts with networks of their own, joined by a switch that delays and loses frames as it is told.
/// A host is a network namespace with one interface, whose cable ends in this process. So nothing
/// is needed of the kernel but namespaces and TUN, and all is gone with the process, however it
/// ends. *Threads*: lives on the test's thread, which is put into host 0.
class FaultNetwork {
 public:
  /// Why this host cannot have one; empty when it can.
  static std::string WhyNot();

  explicit FaultNetwork(int hosts);
  ~FaultNetwork();

  /// "10.77.0.1" for host 0.
  static std::string Address(int host);
  /// Runs `work` in a host's network: processes that it starts live there.
  void In(int host, const std::function<void()>& work) const;

  /// Pulls the host's cable: its interface loses the carrier, and nothing passes.
  void SetPlugged(int host, bool plugged);
  void SetWire(int from, int to, const Wire& wire);
  /// All that the host sends.
  void SetWireFrom(int host, const Wire& wire);
  void SetWireTo(int host, const Wire& wire);
  /// Plugs everything in and repairs all wires.
  void Heal();

 private:
  class Switch;
  std::unique_ptr<Switch> switch_;
};

}  // namespace baton::test
