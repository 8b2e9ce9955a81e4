#pragma once

#include <cmath>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "baton/base/dtype.h"
#include "baton/base/random.h"
#include "baton/device/host_stream.h"
#include "baton/kernels/reference_ops.h"
#include "kernels/cuda/device.h"

namespace baton::kernels::cuda {

/// Elements on the device under test, all bytes 0xFF (a NaN of every type) until written.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t n) : size_(n), bytes_(DeviceBytes(n * sizeof(T))) {}
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    CopyToDevice(bytes_.get(), values.data(), size_ * sizeof(T));
  }

  /// As weights are: see SetConstant.
  const DeviceArray& Constant() const {
    SetConstant(bytes_.get());
    return *this;
  }

  T* data() const { return reinterpret_cast<T*>(bytes_.get()); }
  size_t size() const { return size_; }
  std::vector<T> Read() const {
    std::vector<T> values(size_);
    CopyToHost(values.data(), bytes_.get(), size_ * sizeof(T));
    return values;
  }

 private:
  size_t size_ = 0;
  std::shared_ptr<std::byte> bytes_;
};

template <class T>
bool SameBits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

/// Each test runs once for every schedule of the device, and skips where there is none.
class DeviceTest : public testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override {
    if (const std::string why = WhyNoDevice(); !why.empty()) GTEST_SKIP() << why;
    SetSchedule(GetParam());
  }

  device::Stream& stream() { return DeviceStream(); }

  /// What `run` gives has the same bits when it runs again, under another schedule too where the
  /// device has several.
  template <class Run>
  void ExpectSameBitsAgain(const Run& run) {
    const auto once = run();
    SetSchedule(GetParam() + 3);
    EXPECT_TRUE(SameBits(run(), once));
    SetSchedule(GetParam());
  }

  device::HostStream host_stream_{1};
  Random random_{20260730};
};

#define BATON_DEVICE_SUITE(suite)                                           \
  INSTANTIATE_TEST_SUITE_P(Schedule, suite, testing::ValuesIn(Schedules()), \
                           testing::PrintToStringParamName())

inline std::vector<float> Uniform(Random& random, size_t n, float low = -1, float high = 1) {
  std::vector<float> values(n);
  for (float& value : values) value = low + (high - low) * static_cast<float>(random.Uniform());
  return values;
}

inline std::vector<BFloat16> ToBFloat16s(const std::vector<float>& values) {
  std::vector<BFloat16> rounded(values.size());
  for (size_t i = 0; i < values.size(); ++i) rounded[i] = ToBFloat16(values[i]);
  return rounded;
}

inline std::vector<float> ToFloats(const std::vector<BFloat16>& values) {
  std::vector<float> widened(values.size());
  for (size_t i = 0; i < values.size(); ++i) widened[i] = ToFloat(values[i]);
  return widened;
}

/// Whether |actual - exact| <= units of bfloat16's last place at |exact| + absolute; half a unit is
/// one rounding of the exact value. NaN never passes.
inline ::testing::AssertionResult WithinBFloat16(const std::vector<float>& actual,
                                                 const std::vector<float>& exact, double units,
                                                 double absolute = 1e-9) {
  if (actual.size() != exact.size()) return ::testing::AssertionFailure() << "sizes differ";
  for (size_t i = 0; i < actual.size(); ++i) {
    int exponent = 0;
    std::frexp(exact[i], &exponent);
    const double bound = units * std::ldexp(1.0, exponent - 8) + absolute;
    if (!(std::abs(double{actual[i]} - exact[i]) <= bound)) {
      return ::testing::AssertionFailure() << "element " << i << " is " << actual[i] << ", exactly "
                                           << exact[i] << ", bound " << bound;
    }
  }
  return ::testing::AssertionSuccess();
}

/// Root of the sum of the squares of the differences.
inline double Distance(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return std::sqrt(sum);
}

/// Whether `actual` is off by at most twice as much, in all, as `naive`: what a plain kernel gives
/// that keeps in bfloat16 and float32 what the one under test does.
inline ::testing::AssertionResult AtMostTwiceAsFar(const std::vector<float>& actual,
                                                   const std::vector<float>& naive,
                                                   const std::vector<float>& exact) {
  if (actual.size() != exact.size() || naive.size() != exact.size()) {
    return ::testing::AssertionFailure() << "sizes differ";
  }
  const double distance = Distance(actual, exact);
  const double allowed = 2 * Distance(naive, exact);
  if (distance <= allowed) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "off by " << distance << ", allowed " << allowed;
}

/// The same where a plain kernel computes exactly and rounds to bfloat16 once, as none does better.
inline ::testing::AssertionResult AtMostTwiceOneRounding(const std::vector<float>& actual,
                                                         const std::vector<float>& exact) {
  return AtMostTwiceAsFar(actual, ToFloats(ToBFloat16s(exact)), exact);
}

}  // namespace baton::kernels::cuda
