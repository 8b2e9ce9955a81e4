#pragma once

#include <filesystem>
#include <vector>

#include <sched.h>

namespace baton::device {

using Cores = std::vector<int>;

/// `cores` by the node of memory that is near them, nodes ascending; behind these the cores of
/// which the host tells no node.
std::vector<Cores> CoresByNode(const Cores& cores,
                               const std::filesystem::path& nodes = "/sys/devices/system/node");

/// Threads that compute together, the one that owns the others included, which is thread 0. What
/// thread i touches first lies near it, and it must stay there to read it: where the cores of all
/// are near several nodes, each thread stays among those of one.
struct HostThreads {
  // NOLINTNEXTLINE(google-explicit-constructor): a number of threads that go where they like.
  HostThreads(int threads, std::vector<Cores> by_node = {})
      : count(threads), cores_by_node(std::move(by_node)) {}

  /// Where thread i stays; empty: anywhere. Nodes have threads in proportion to their cores.
  Cores CoresOf(int thread) const;

  int count = 1;
  /// Of all threads; empty, or of one node: they go where they like.
  std::vector<Cores> cores_by_node;
};

/// Has the calling thread stay on `cores` for as long as this lives; does nothing where they are
/// empty, or none of this host.
class StayOnCores {
 public:
  explicit StayOnCores(const Cores& cores);
  ~StayOnCores();
  StayOnCores(const StayOnCores&) = delete;
  StayOnCores& operator=(const StayOnCores&) = delete;

 private:
  bool stays_ = false;
  cpu_set_t before_{};
};

}  // namespace baton::device
