#pragma once

#include <chrono>
#include <cmath>

#include "goodput.h"

/// What is asked of a GPU.
namespace baton::simulation {

/// Uniform in logarithm.
inline int64_t Between(Random& random, double least, double most) {
  return std::llround(least * std::pow(most / least, random.Uniform()));
}

constexpr RequestSlo Slo(Duration ttft, Duration tpot) { return {.ttft = ttft, .tpot = tpot}; }

inline const Load kGpuChatLoad{
    Slo(std::chrono::milliseconds(250), std::chrono::milliseconds(25)), [](Random& random) {
      return Lengths{Between(random, 64, 1024), Between(random, 64, 512)};
    }};
inline const Load kGpuDocumentsLoad{
    Slo(std::chrono::seconds(2), std::chrono::milliseconds(15)), [](Random& random) {
      return Lengths{Between(random, 4096, 16384), Between(random, 64, 512)};
    }};
/// Long prompts and short answers, as of who has documents classified.
inline const Load kGpuExtractsLoad{
    Slo(std::chrono::seconds(2), std::chrono::milliseconds(15)), [](Random& random) {
      return Lengths{Between(random, 8192, 16384), Between(random, 4, 16)};
    }};

}  // namespace baton::simulation
