#pragma once

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "baton/base/dtype.h"
#include "baton/base/random.h"
#include "baton/device/host_stream.h"
#include "baton/kernels/cpu_ops.h"
#include "baton/kernels/reference_ops.h"

namespace baton::kernels {

inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr DType kFloatTypes[] = {DType::kFloat32, DType::kFloat16, DType::kBFloat16};

/// Each test runs once for every instruction set of this host.
class KernelTest : public testing::TestWithParam<std::string> {
 protected:
  const ops::Ops& cpu() const { return **CpuOpsFor(GetParam()); }
  const ops::Ops& reference() const { return ReferenceOps(); }

  device::HostStream stream_{2};
  Random random_{20260730};
};

#define BATON_KERNEL_SUITE(suite)                                               \
  INSTANTIATE_TEST_SUITE_P(Cpu, suite, testing::ValuesIn(CpuInstructionSets()), \
                           [](const auto& set) { return set.param; })

inline std::vector<float> Uniform(Random& random, int64_t n, float low = -1, float high = 1) {
  std::vector<float> values(static_cast<size_t>(n));
  for (float& value : values) {
    value = low + (high - low) * static_cast<float>(random.Uniform());
  }
  return values;
}

inline std::vector<float> NanFilled(int64_t n) {
  return std::vector<float>(static_cast<size_t>(n), kNan);
}

/// `values` rounded to `dtype`, as bytes.
inline std::vector<std::byte> Rounded(const std::vector<float>& values, DType dtype) {
  std::vector<std::byte> bytes(values.size() * DTypeBytes(dtype));
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t bits =
        dtype == DType::kFloat16 ? ToFloat16(values[i]).bits : ToBFloat16(values[i]).bits;
    if (dtype == DType::kFloat32) {
      std::memcpy(bytes.data() + i * 4, &values[i], 4);
    } else {
      std::memcpy(bytes.data() + i * 2, &bits, 2);
    }
  }
  return bytes;
}

inline bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// The rows [begin, begin + rows) of a matrix `width` wide.
inline std::vector<float> Rows(const std::vector<float>& matrix, int64_t begin, int64_t rows,
                               int64_t width) {
  return {matrix.begin() + begin * width, matrix.begin() + (begin + rows) * width};
}

/// Every |actual - expected| <= absolute + relative * |expected|; fails on the worst.
inline void ExpectClose(const std::vector<float>& actual, const std::vector<float>& expected,
                        double absolute, double relative) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    const double bound = absolute + relative * std::abs(expected[i]);
    ASSERT_LE(std::abs(double{actual[i]} - expected[i]), bound)
        << "element " << i << " is " << actual[i] << ", expected " << expected[i];
  }
}

}  // namespace baton::kernels
