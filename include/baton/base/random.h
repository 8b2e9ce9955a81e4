#pragma once

#include <array>
#include <cstdint>

namespace baton {

/// Philox4x32-10: four random words from a 128-bit counter and a 64-bit key.
/// Source: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
constexpr std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter, uint64_t key) {
  uint32_t k0 = static_cast<uint32_t>(key);
  uint32_t k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * counter[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ k0, static_cast<uint32_t>(p1),
               static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return counter;
}

/// Uniform in [0, 1) with 24 bits, from (seed, position): the same wherever it is computed.
constexpr float UniformAt(uint64_t seed, uint64_t position) {
  const auto words = Philox4x32(
      {static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32), 0, 0}, seed);
  return static_cast<float>(words[0] >> 8) * 0x1.0p-24f;
}

/// A small sequential generator over Philox, for tests and jitter.
class Random {
 public:
  explicit Random(uint64_t seed) : seed_(seed) {}
  uint64_t Next() {
    const auto words = Philox4x32(
        {static_cast<uint32_t>(counter_), static_cast<uint32_t>(counter_ >> 32), 1, 0}, seed_);
    ++counter_;
    return (uint64_t{words[0]} << 32) | words[1];
  }
  /// Uniform in [0, bound). REQUIRES: bound > 0.
  uint64_t Below(uint64_t bound) { return Next() % bound; }
  /// Uniform in [0, 1).
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

 private:
  uint64_t seed_;
  uint64_t counter_ = 0;
};

/// A seed from the system's entropy source.
uint64_t RandomSeed();

}  // namespace baton
