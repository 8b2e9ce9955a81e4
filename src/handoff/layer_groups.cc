#include "baton/handoff/layer_groups.h"

#include <algorithm>
#include <cmath>

#include "baton/base/units.h"

namespace baton::handoff {
namespace {

/// Bytes that take this many times as long as what they are charged with.
constexpr double kWorth = 9;
/// What a report costs beside the transfer: two threads' time, for the most part to wake one.
constexpr Duration kReport = std::chrono::microseconds(10);
/// What a put takes of our own where a measurement in microseconds finds nothing.
constexpr Duration kOwnPut = std::chrono::nanoseconds(20);
constexpr int64_t kLeast = 512;
/// Larger pieces are cut for the transport in any case.
constexpr int64_t kMost = 1 << 20;

double BytesWorth(Duration time, const transport::PathCost& cost) {
  return kWorth * Seconds(time) * cost.bytes_per_s;
}

}  // namespace

int64_t LeastPieceBytes(const transport::PathCost& cost) {
  const double bytes =
      std::clamp<double>(BytesWorth(std::max(cost.per_put, kOwnPut), cost), kLeast, kMost);
  return static_cast<int64_t>(bytes);
}

int32_t LayersPerGroup(const transport::PathCost& cost, const kv::KvGeometry& geometry,
                       int32_t chunk_tokens) {
  const auto layer_bytes = static_cast<double>(geometry.layer_bytes());
  const double blocks = std::max(1, chunk_tokens / geometry.block_tokens);
  const double worth_puts = static_cast<double>(LeastPieceBytes(cost)) / layer_bytes;
  const double worth_report =
      BytesWorth(cost.per_transfer + kReport, cost) / (layer_bytes * blocks);
  const double least =
      std::clamp<double>(std::ceil(std::max(worth_puts, worth_report)), 1, geometry.layers);
  const int32_t groups = geometry.layers / static_cast<int32_t>(least);
  return CeilDiv(geometry.layers, groups);
}

}  // namespace baton::handoff
