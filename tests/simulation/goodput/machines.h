#pragma once

#include <chrono>

#include "model_worker.h"

/// What workers run on, as far as figures tell.
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

/// About a model of 110 million parameters in bfloat16 on one core.
inline constexpr Machine kCore{.step = std::chrono::milliseconds(10),
                        .prefill_token = std::chrono::microseconds(2500),
                        .attended_token = std::chrono::nanoseconds(600),
                        .decode_sequence = std::chrono::microseconds(2500),
                        .context_token = std::chrono::nanoseconds(2000),
                        .transfer = std::chrono::milliseconds(2),
                        .transfer_bytes_per_s = 1.5e9,
                        .kv_bytes_per_token = 36 * 1024,
                        .kv_tokens = 64 * 1024,
                        .step_tokens = 512};

/// About one of 2 million parameters there: a prefill takes as long as hundreds of decodes.
inline constexpr Machine kTinyOnCore{.step = std::chrono::microseconds(100),
                              .prefill_token = std::chrono::microseconds(55),
                              .attended_token = std::chrono::nanoseconds(5),
                              .decode_sequence = std::chrono::microseconds(150),
                              .context_token = std::chrono::nanoseconds(20),
                              .transfer = std::chrono::milliseconds(2),
                              .transfer_bytes_per_s = 1.5e9,
                              .kv_bytes_per_token = 2 * 1024,
                              .kv_tokens = 256 * 1024,
                              .step_tokens = 512};

}  // namespace baton::simulation
