#pragma once

#include <cstddef>

#include "baton/base/status.h"
#include "baton/device/host_threads.h"

namespace baton::transport {

/// Fails with ResourceExhausted when the host has less memory than that to give.
Status CheckMemoryAvailable(size_t bytes);

/// The host may refuse; nothing else changes then.
void AskForHugePages(std::byte* data, size_t bytes);

/// Of the mapping that holds `data`, what lies in pages of 2 MiB or more now.
size_t BytesInHugePages(const std::byte* data);

/// Has every page backed by memory now, a stripe after the other by such threads in turn: where
/// they stay near several nodes of memory, all of these hold parts of it, as nobody knows who will
/// read what. Fails with ResourceExhausted where a first write would end the process, as when
/// /dev/shm is full. REQUIRES: data is at the begin of a page.
Status TouchPages(std::byte* data, size_t bytes, const device::HostThreads& threads);

}  // namespace baton::transport
