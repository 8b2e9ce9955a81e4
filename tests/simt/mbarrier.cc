#include "simt/mbarrier.h"

#include <map>

namespace baton::simt {
namespace {

constexpr uint64_t kMark = 0x6d62617272696572;
/// Limits of the counts, PTX ISA, "Contents of the mbarrier object".
constexpr uint32_t kMaxArrivals = (1u << 20) - 1;
constexpr int64_t kMaxBytes = (1 << 20) - 1;

struct Barrier {
  uint32_t arrivals = 0;  ///< Of each phase.
  uint32_t pending = 0;
  int64_t bytes = 0;  ///< Expected and not landed; below 0 where they landed first.
  uint32_t phase = 0;
  bool fenced = false;
};

struct Barriers {
  std::map<const uint64_t*, Barrier> all;
};

Barrier& Find(const uint64_t* word, const char* what, const Site& site) {
  const auto found = OfBlock<Barriers>().all.find(word);
  if (found == OfBlock<Barriers>().all.end()) {
    Fail(std::string(what) + " on an mbarrier that was not initialised", site);
  }
  if (*word != kMark) Fail("the memory of an mbarrier was written over", site);
  return found->second;
}

void EndPhaseIfComplete(Barrier& barrier) {
  if (barrier.pending != 0 || barrier.bytes != 0) return;
  ++barrier.phase;
  barrier.pending = barrier.arrivals;
}

}  // namespace

void InitMbarrier(uint64_t* word, uint32_t arrivals, Site site) {
  if (SharedAddress(word) % 8 != 0) Fail("an mbarrier is aligned to 8 bytes", site);
  if (arrivals == 0 || arrivals > kMaxArrivals) Fail("arrivals of an mbarrier", site);
  if (!OfBlock<Barriers>().all.insert({word, {.arrivals = arrivals, .pending = arrivals}}).second) {
    Fail("an mbarrier is initialised twice", site);
  }
  *word = kMark;
}

void FenceMbarriers() {
  for (auto& [word, barrier] : OfBlock<Barriers>().all) barrier.fenced = true;
}

void ArriveAtMbarrier(uint64_t* word, uint32_t expected_bytes, Site site) {
  Yield();
  Barrier& barrier = Find(word, "an arrival", site);
  if (barrier.pending == 0) Fail("an arrival too many at an mbarrier", site);
  --barrier.pending;
  barrier.bytes += expected_bytes;
  if (barrier.bytes > kMaxBytes) Fail("more bytes than an mbarrier counts", site);
  EndPhaseIfComplete(barrier);
}

void WaitForMbarrier(uint64_t* word, uint32_t parity, Site site) {
  if (parity > 1) Fail("a parity is 0 or 1", site);
  Yield();
  const Barrier& barrier = Find(word, "a wait", site);
  WaitUntil(
      "mbarrier.try_wait", [&barrier, parity] { return barrier.phase % 2 != parity; }, site);
}

void CheckMbarrier(const uint64_t* word, Site site) {
  if (!Find(word, "a copy", site).fenced) Fail("an mbarrier was not fenced for copies", site);
}

void CompleteBytes(const uint64_t* word, uint32_t bytes, Site site) {
  Barrier& barrier = Find(word, "a completion", site);
  barrier.bytes -= bytes;
  if (barrier.bytes < -kMaxBytes) Fail("more bytes than an mbarrier counts", site);
  EndPhaseIfComplete(barrier);
}

}  // namespace baton::simt
