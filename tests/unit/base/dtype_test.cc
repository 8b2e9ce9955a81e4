#include "baton/base/dtype.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace baton {
namespace {

TEST(DType, RoundTripsEveryFloat16) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Float16 half{static_cast<uint16_t>(bits)};
    const float value = ToFloat(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(ToFloat(ToFloat16(value))));
    } else {
      ASSERT_EQ(ToFloat16(value).bits, bits);
    }
  }
}

TEST(DType, RoundTripsEveryBFloat16) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const BFloat16 brain{static_cast<uint16_t>(bits)};
    const float value = ToFloat(brain);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(ToFloat(ToBFloat16(value))));
    } else {
      ASSERT_EQ(ToBFloat16(value).bits, bits);
    }
  }
}

TEST(DType, DecodesEveryFloat16ByItsDefinition) {
  for (uint32_t bits = 0; bits < 0x7C00; ++bits) {
    const int exponent = static_cast<int>(bits >> 10);
    const double mantissa = bits & 0x3FF;
    const double expected =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    ASSERT_EQ(ToFloat(Float16{static_cast<uint16_t>(bits)}), expected) << bits;
    ASSERT_EQ(ToFloat(Float16{static_cast<uint16_t>(bits | 0x8000)}), -expected) << bits;
  }
}

/// The value halfway between each pair of neighbours goes to the one with an even last bit, and
/// values just beside it to the nearer one.
TEST(DType, RoundsToTheNearestFloat16AndTiesToEven) {
  for (uint32_t bits = 0; bits < 0x7BFF; ++bits) {
    const float low = ToFloat(Float16{static_cast<uint16_t>(bits)});
    const float high = ToFloat(Float16{static_cast<uint16_t>(bits + 1)});
    const float middle = low + (high - low) / 2;
    ASSERT_EQ(ToFloat16(middle).bits, bits + bits % 2) << bits;
    ASSERT_EQ(ToFloat16(std::nextafter(middle, low)).bits, bits) << bits;
    ASSERT_EQ(ToFloat16(std::nextafter(middle, high)).bits, bits + 1) << bits;
  }
}

TEST(DType, RoundsToTheNearestBFloat16AndTiesToEven) {
  for (uint32_t bits = 0; bits < 0x7F7F; ++bits) {
    const float low = ToFloat(BFloat16{static_cast<uint16_t>(bits)});
    const float high = ToFloat(BFloat16{static_cast<uint16_t>(bits + 1)});
    const float middle = low + (high - low) / 2;
    ASSERT_EQ(ToBFloat16(middle).bits, bits + bits % 2) << bits;
    ASSERT_EQ(ToBFloat16(std::nextafter(middle, low)).bits, bits) << bits;
    ASSERT_EQ(ToBFloat16(std::nextafter(middle, high)).bits, bits + 1) << bits;
  }
}

TEST(DType, OverflowsToInfinityHalfAStepAboveTheLargestFloat16) {
  EXPECT_EQ(ToFloat16(65519.996f).bits, 0x7BFF);
  EXPECT_EQ(ToFloat16(65520.0f).bits, 0x7C00);
  EXPECT_EQ(ToFloat16(-1e30f).bits, 0xFC00);
  EXPECT_EQ(ToFloat16(std::numeric_limits<float>::infinity()).bits, 0x7C00);
}

TEST(DType, ParsesEveryNameAndAlias) {
  for (const char* name : {"float16", "fp16", "F16", "Half16"}) {
    EXPECT_EQ(ParseDType(name).ok(), std::string_view(name) != "Half16") << name;
  }
  EXPECT_EQ(*ParseDType("BF16"), DType::kBFloat16);
  EXPECT_EQ(*ParseDType(DTypeName(DType::kFloat32)), DType::kFloat32);
  EXPECT_EQ(ParseDType("int4").status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace baton
