#pragma once

#include <cstdint>

namespace baton::kernels::cuda {

struct SinCos {
  float sine;
  float cosine;
};

/// Correct but for rare half-way cases, for any float32 angle up to 2^30 in size. CUDA's sincosf
/// keeps an array in local memory for large angles, which positions soon are; doubles need none,
/// and there are few angles. Source: Cody and Waite, "Software Manual for the Elementary
/// Functions", 1980, the reduction; Taylor's series below pi / 4.
__device__ __forceinline__ SinCos ExactSinCos(float angle) {
  // 1. To the nearest multiple of pi / 2, which is kept in two parts.
  const double x = angle;
  const double quarter = rint(x * 0.63661977236758134);
  double r = fma(quarter, -1.5707963267948966, x);
  r = fma(quarter, -6.123233995736766e-17, r);
  // 2. Both series.
  const double z = r * r;
  double sine = 2.8114572543455206e-15;
  sine = fma(sine, z, -7.6471637318198164e-13);
  sine = fma(sine, z, 1.6059043836821613e-10);
  sine = fma(sine, z, -2.5052108385441720e-08);
  sine = fma(sine, z, 2.7557319223985893e-06);
  sine = fma(sine, z, -1.9841269841269841e-04);
  sine = fma(sine, z, 8.3333333333333332e-03);
  sine = fma(sine, z, -1.6666666666666666e-01);
  sine = fma(sine * z, r, r);
  double cosine = 4.7794773323873853e-14;
  cosine = fma(cosine, z, -1.1470745597729725e-11);
  cosine = fma(cosine, z, 2.0876756987868100e-09);
  cosine = fma(cosine, z, -2.7557319223985888e-07);
  cosine = fma(cosine, z, 2.4801587301587302e-05);
  cosine = fma(cosine, z, -1.3888888888888889e-03);
  cosine = fma(cosine, z, 4.1666666666666664e-02);
  cosine = fma(cosine, z, -0.5);
  cosine = fma(cosine, z, 1.0);
  // 3. Quadrants swap and negate.
  const auto quadrant = static_cast<int64_t>(quarter) & 3;
  const double s = quadrant % 2 == 0 ? sine : cosine;
  const double c = quadrant % 2 == 0 ? cosine : sine;
  return {static_cast<float>(quadrant >= 2 ? -s : s),
          static_cast<float>(quadrant == 1 || quadrant == 2 ? -c : c)};
}

}  // namespace baton::kernels::cuda
