#pragma once

#include <cstddef>
#include <string>

namespace baton::bench {

/// Bytes per second of puts from one process to another; 0 where it cannot be told.
struct PutRate {
  double wall = 0;
  /// By the CPU time of the process that puts.
  double cpu = 0;
};

struct PerftestOptions {
  /// As in UCX_TLS; empty: what UCX finds.
  std::string tls;
  /// Whether puts arrive without the other process's help.
  bool one_sided = true;
};

/// What ucx_perftest says of puts of `bytes` each, always between the same two buffers.
PutRate RunPerftest(size_t bytes, const PerftestOptions& options);

}  // namespace baton::bench
