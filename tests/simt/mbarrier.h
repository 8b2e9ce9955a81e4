#pragma once

#include <cstdint>

#include "simt/machine.h"

/// Barriers in shared memory, as kernels see them through ptx/mbarrier.h. Their counts are kept
/// beside the shared memory, whose word shows whether something was written over it.
namespace baton::simt {

void InitMbarrier(uint64_t* word, uint32_t arrivals, Site site);
/// What was initialised until now may be used by engines.
void FenceMbarriers();
void ArriveAtMbarrier(uint64_t* word, uint32_t expected_bytes, Site site);
void WaitForMbarrier(uint64_t* word, uint32_t parity, Site site);

/// Fails where an engine could not use the barrier: it was not initialised, or not fenced.
void CheckMbarrier(const uint64_t* word, Site site);
/// An engine's bytes have landed.
void CompleteBytes(const uint64_t* word, uint32_t bytes, Site site);

}  // namespace baton::simt
