#pragma once

#include <chrono>
#include <cmath>

#include "goodput.h"

/// A GPU, and what is asked of it.
namespace baton::simulation {

/// About Llama-3.1-8B in bfloat16 on one H100, as far as published figures tell.
inline constexpr Machine kGpu{.step = std::chrono::microseconds(5000),
                              .prefill_token = std::chrono::microseconds(22),
                              .attended_token = std::chrono::nanoseconds(1),
                              .decode_sequence = std::chrono::microseconds(4),
                              .context_token = std::chrono::nanoseconds(45),
                              .transfer = std::chrono::milliseconds(1),
                              .transfer_bytes_per_s = 40e9,
                              .kv_bytes_per_token = 128 * 1024,
                              .kv_tokens = 400 * 1000,
                              .step_tokens = 2048};

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
