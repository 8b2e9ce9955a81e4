#pragma once

#include <cstddef>

#include "baton/base/status.h"

namespace baton::transport {

/// Fails with ResourceExhausted when the host has less memory than that to give.
Status CheckMemoryAvailable(size_t bytes);

/// The host may refuse; nothing else changes then.
void AskForHugePages(std::byte* data, size_t bytes);

/// Of the mapping that holds `data`, what lies in pages of 2 MiB or more now.
size_t BytesInHugePages(const std::byte* data);

/// Has every page backed by memory now, by so many threads in turn, a stripe each: where these run
/// on several nodes of memory, so does what they touch. Fails with ResourceExhausted where a first
/// write would end the process, as when /dev/shm is full. REQUIRES: threads >= 1, data at the begin
/// of a page.
Status TouchPages(std::byte* data, size_t bytes, int threads);

}  // namespace baton::transport
