#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "baton/base/status.h"

namespace baton {

enum class DType : uint8_t { kFloat32 = 0, kFloat16 = 1, kBFloat16 = 2, kInt32 = 3, kInt8 = 4 };

constexpr size_t DTypeBytes(DType dtype) {
  if (dtype == DType::kInt8) return 1;
  return dtype == DType::kFloat32 || dtype == DType::kInt32 ? 4 : 2;
}

/// "float32", "float16", "bfloat16", "int32", "int8": the names of Hugging Face's configurations.
std::string_view DTypeName(DType dtype);
/// Also takes "fp32", "f32", "fp16", "f16", "bf16" in either case. Fails with InvalidArgument.
Result<DType> ParseDType(std::string_view name);

/// The upper half of a float32.
struct BFloat16 {
  uint16_t bits = 0;
};

/// IEEE 754 binary16.
struct Float16 {
  uint16_t bits = 0;
};

constexpr float ToFloat(BFloat16 value) { return std::bit_cast<float>(uint32_t{value.bits} << 16); }

/// Rounds to nearest, ties to even; NaN stays NaN.
constexpr BFloat16 ToBFloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return {static_cast<uint16_t>((bits >> 16) | 0x40)};
  return {static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)};
}

float ToFloat(Float16 value);
/// Rounds to nearest, ties to even.
Float16 ToFloat16(float value);

}  // namespace baton
