#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "baton/handoff/worker_description.h"

namespace baton::bench {

/// Both workers of a pair.
struct PairOptions {
  kv::KvGeometry geometry;
  int32_t blocks = 0;
  /// As in UCX_TLS; empty: what UCX finds.
  std::string tls;
  bool direct_copies = true;
};

/// The prefill worker's process, which never returns: it has the KV of every prompt already, in
/// block runs as long as the offer's cache_salt says. Started by DecodeWorker.
[[noreturn]] void ServePrefills(const PairOptions& options);

std::vector<std::string> EncodeArguments(const PairOptions& options);
PairOptions DecodeArguments(const std::vector<std::string>& arguments);

/// The two workers as they introduce themselves.
handoff::WorkerDescription Describe(const PairOptions& options, bool prefill);
/// The number of the one join that there is.
inline constexpr uint64_t kConnection = 1;

/// Marks every 4 KiB of the prefill worker's region, and checks them in a block that arrived.
void Mark(const transport::MemoryRegion& region);
bool IsMarked(const transport::MemoryRegion& region, size_t from, size_t bytes);

}  // namespace baton::bench
