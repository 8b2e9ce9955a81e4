#pragma once

#include <string>

#include "baton/rpc/messages.h"

namespace baton::worker {

inline constexpr std::chrono::milliseconds kSilence{600};
inline constexpr Duration kPatience = std::chrono::seconds(20);

inline rpc::JoinHello Hello(const std::string& name, uint64_t epoch, const std::string& address) {
  return {.worker = {.identity = {.epoch = {epoch, epoch},
                                  .name = name,
                                  .fingerprint = "model",
                                  .geometry = {.layers = 1, .kv_heads = 1, .head_dim = 8}},
                     .transport_address = address},
          .connection = epoch + 1,
          .silence = kSilence};
}

}  // namespace baton::worker
