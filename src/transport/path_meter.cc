#include "path_meter.h"

#include <algorithm>

namespace baton::transport {
namespace {

constexpr int kTransfers = 4;
/// The parts: one small put, several, and as much in large ones as they come.
constexpr uint64_t kSmallBytes = uint64_t{4} << 10;
constexpr size_t kSmallPuts = 16;
constexpr uint64_t kLargeBytes = uint64_t{256} << 10;
/// Only a transfer of large pieces tells small puts from large ones, and only of a large one are
/// the parts no more than a third.
constexpr uint64_t kLeastPieceBytes = uint64_t{64} << 10;
constexpr uint64_t kLeastBytes = uint64_t{1} << 20;

/// Takes at most `bytes` from the first piece from `front` on.
Descriptor Take(std::vector<Descriptor>& pieces, size_t& front, uint64_t bytes) {
  Descriptor& first = pieces[front];
  Descriptor taken = first;
  taken.bytes = std::min(bytes, first.bytes);
  first.local_offset += taken.bytes;
  first.remote_offset += taken.bytes;
  first.bytes -= taken.bytes;
  if (first.bytes == 0) ++front;
  return taken;
}

int64_t BytesOf(const std::vector<Descriptor>& pieces) {
  uint64_t bytes = 0;
  for (const Descriptor& piece : pieces) bytes += piece.bytes;
  return static_cast<int64_t>(bytes);
}

Duration Nanoseconds(double ns) { return Duration(static_cast<int64_t>(std::max(ns, 0.0))); }

}  // namespace

bool PathMeter::Wants(const std::vector<Descriptor>& pieces) const {
  if (transfers_ >= kTransfers) return false;
  uint64_t bytes = 0;
  for (const Descriptor& piece : pieces) {
    if (piece.bytes < kLeastPieceBytes) return false;
    bytes += piece.bytes;
    if (bytes >= kLeastBytes) return true;
  }
  return false;
}

PathMeter::Parts PathMeter::Cut(std::vector<Descriptor>& pieces) {
  ++transfers_;
  Parts parts;
  size_t front = 0;
  parts[0].push_back(Take(pieces, front, kSmallBytes));
  while (parts[1].size() < kSmallPuts) parts[1].push_back(Take(pieces, front, kSmallBytes));
  while (BytesOf(parts[2]) < static_cast<int64_t>(kLargeBytes)) {
    parts[2].push_back(Take(pieces, front, kLargeBytes));
  }
  pieces.erase(pieces.begin(), pieces.begin() + static_cast<ptrdiff_t>(front));
  for (size_t i = 0; i < kParts; ++i) {
    parts_[i].puts = static_cast<int64_t>(parts[i].size());
    parts_[i].bytes = BytesOf(parts[i]);
  }
  return parts;
}

void PathMeter::Took(size_t part, Duration time) {
  std::optional<Duration>& least = parts_[part].least;
  least = least ? std::min(*least, time) : time;
}

/// Solves time = transfer + puts * put + bytes * byte for the three parts.
std::optional<PathCost> PathMeter::cost() const {
  const auto& [one, small, large] = parts_;
  if (!large.least) return std::nullopt;
  const auto small_puts = static_cast<double>(small.puts - one.puts);
  const auto small_bytes = static_cast<double>(small.bytes - one.bytes);
  const auto large_puts = static_cast<double>(large.puts - one.puts);
  const auto large_bytes = static_cast<double>(large.bytes - one.bytes);
  const auto small_ns = static_cast<double>((*small.least - *one.least).count());
  const auto large_ns = static_cast<double>((*large.least - *one.least).count());
  const double determinant = small_puts * large_bytes - small_bytes * large_puts;
  if (determinant <= 0) return std::nullopt;
  const double put = std::max(0.0, (small_ns * large_bytes - small_bytes * large_ns) / determinant);
  constexpr double kLeastNsPerByte = 1e-4;  // 10 TB/s.
  const double byte =
      std::max(kLeastNsPerByte, (small_puts * large_ns - large_puts * small_ns) / determinant);
  const double rest = static_cast<double>(one.least->count()) -
                      static_cast<double>(one.puts) * put - static_cast<double>(one.bytes) * byte;
  return PathCost{
      .per_transfer = Nanoseconds(rest), .per_put = Nanoseconds(put), .bytes_per_s = 1e9 / byte};
}

}  // namespace baton::transport
