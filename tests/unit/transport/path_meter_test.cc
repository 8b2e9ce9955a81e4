#include "path_meter.h"

#include <gtest/gtest.h>

namespace baton::transport {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

constexpr uint64_t kKiB = 1024;

std::vector<Descriptor> Pieces(size_t count, uint64_t bytes) {
  std::vector<Descriptor> pieces;
  for (size_t i = 0; i < count; ++i) {
    pieces.push_back({.local_offset = i * bytes, .remote_offset = 2 * i * bytes, .bytes = bytes});
  }
  return pieces;
}

/// What a part takes on a path that costs exactly `cost`.
Duration TimeOf(const std::vector<Descriptor>& part, const PathCost& cost) {
  Duration time = cost.per_transfer;
  for (const Descriptor& piece : part) {
    time += cost.per_put;
    time += nanoseconds(
        static_cast<int64_t>(1e9 * static_cast<double>(piece.bytes) / cost.bytes_per_s));
  }
  return time;
}

void Measure(PathMeter& meter, std::vector<Descriptor> pieces, const PathCost& path) {
  const PathMeter::Parts parts = meter.Cut(pieces);
  for (size_t i = 0; i < parts.size(); ++i) meter.Took(i, TimeOf(parts[i], path));
}

class KnownPath : public testing::TestWithParam<std::tuple<PathCost, uint64_t>> {};

TEST_P(KnownPath, IsFoundOutFromOneTransfer) {
  const auto& [path, piece_bytes] = GetParam();
  PathMeter meter;
  EXPECT_FALSE(meter.cost().has_value());
  Measure(meter, Pieces(2 * 1024 * kKiB / piece_bytes, piece_bytes), path);
  ASSERT_TRUE(meter.cost().has_value());
  EXPECT_NEAR(Seconds(meter.cost()->per_transfer), Seconds(path.per_transfer), 50e-9);
  EXPECT_NEAR(Seconds(meter.cost()->per_put), Seconds(path.per_put), 5e-9);
  EXPECT_NEAR(meter.cost()->bytes_per_s / path.bytes_per_s, 1, 0.01);
}

INSTANTIATE_TEST_SUITE_P(
    Paths, KnownPath,
    testing::Combine(testing::Values(PathCost{nanoseconds(300), nanoseconds(80), 12e9},
                                     PathCost{microseconds(3), nanoseconds(400), 45e9},
                                     PathCost{microseconds(90), microseconds(12), 1.5e9}),
                     testing::Values(64 * kKiB, 1024 * kKiB)));

TEST(PathMeter, TakesTheLeastTimesOfABusyHost) {
  const PathCost path{microseconds(1), nanoseconds(100), 10e9};
  const PathCost disturbed{microseconds(900), microseconds(50), 1e9};
  PathMeter meter;
  for (const PathCost& each : {disturbed, path, disturbed})
    Measure(meter, Pieces(2, 1024 * kKiB), each);
  EXPECT_NEAR(Seconds(meter.cost()->per_put), 100e-9, 5e-9);
  EXPECT_NEAR(meter.cost()->bytes_per_s, 10e9, 1e8);
}

TEST(PathMeter, CutsItsPartsOffTheFrontAndLosesNoByte) {
  std::vector<Descriptor> pieces = Pieces(16, 64 * kKiB);
  PathMeter meter;
  const PathMeter::Parts parts = meter.Cut(pieces);
  EXPECT_EQ(parts[0].size(), 1u);
  EXPECT_EQ(parts[1].size(), 16u);
  uint64_t next = 0;
  const auto follow = [&](const std::vector<Descriptor>& run) {
    for (const Descriptor& piece : run) {
      EXPECT_EQ(piece.local_offset, next);
      EXPECT_EQ(piece.remote_offset, 2 * (next / (64 * kKiB)) * 64 * kKiB + next % (64 * kKiB));
      next += piece.bytes;
    }
  };
  for (const auto& part : parts) follow(part);
  follow(pieces);
  EXPECT_EQ(next, 16 * 64 * kKiB);
}

TEST(PathMeter, MeasuresFewTransfersAndOnlyLargeOnesOfLargePieces) {
  PathMeter meter;
  EXPECT_FALSE(meter.Wants({}));
  EXPECT_FALSE(meter.Wants(Pieces(1, 512 * kKiB)));
  EXPECT_FALSE(meter.Wants(Pieces(1000, 32 * kKiB)));
  int measured = 0;
  for (; meter.Wants(Pieces(1, 1024 * kKiB)); ++measured) {
    Measure(meter, Pieces(1, 1024 * kKiB), {microseconds(1), nanoseconds(100), 10e9});
  }
  EXPECT_EQ(measured, 4);
}

}  // namespace
}  // namespace baton::transport
