#pragma once

#include "../isa.h"
#include "exp.h"
#include "typed.h"

namespace baton::kernels::cpu {

template <class V>
struct Elementwise {
  static constexpr int kLanes = V::kLanes;

  static void RmsNorm(const ops::RmsNormParams& p, int64_t t_begin, int64_t t_end) {
    WithType<V>(p.w_dtype, [&]<class T>() {
      const auto* w = static_cast<const T*>(p.w);
      const float* from = p.residual != nullptr ? p.residual : static_cast<const float*>(p.x);
      for (int64_t t = t_begin; t < t_end; ++t) {
        const float inverse = InverseNorm(p, t);
        const float* x = from + t * p.E;
        float* y = static_cast<float*>(p.y) + t * p.E;
        for (int64_t e = 0; e < p.E; e += kLanes) {
          const int64_t n = p.E - e;
          const V weight = LoadUpTo<V>(w + e, n) + V::Broadcast(p.w_offset);
          StoreUpTo(LoadUpTo<V>(x + e, n) * V::Broadcast(inverse) * weight, y + e, n);
        }
      }
    });
  }

  /// Adds x to the residual of row t, where there are both, and returns 1 / sqrt(mean square +
  /// eps).
  static float InverseNorm(const ops::RmsNormParams& p, int64_t t) {
    const auto* added = static_cast<const float*>(p.x);
    const float* from = p.residual != nullptr ? p.residual : added;
    const bool adds = p.residual != nullptr && added != nullptr;
    V sums[2] = {V::Zero(), V::Zero()};
    for (int64_t e = 0; e < p.E; e += kLanes) {
      const int64_t n = p.E - e;
      V x = LoadUpTo<V>(from + t * p.E + e, n);
      if (adds) {
        x = x + LoadUpTo<V>(added + t * p.E + e, n);
        StoreUpTo(x, p.residual + t * p.E + e, n);
      }
      V& sum = sums[e / kLanes % 2];
      sum = V::MulAdd(x, x, sum);
    }
    const float mean = (sums[0] + sums[1]).Add() / static_cast<float>(p.E);
    return 1.0f / __builtin_sqrtf(mean + p.eps);
  }

  static void SiluMul(const ops::GatedActivationParams& p, int64_t t_begin, int64_t t_end) {
    for (int64_t t = t_begin; t < t_end; ++t) {
      const float* gate = static_cast<const float*>(p.gate) + t * p.in_stride;
      const float* up = static_cast<const float*>(p.up) + t * p.in_stride;
      float* y = static_cast<float*>(p.y) + t * p.y_stride;
      for (int64_t f = 0; f < p.F; f += kLanes) {
        const V g = LoadUpTo<V>(gate + f, p.F - f);
        const V silu = g / (V::Broadcast(1.0f) + Exp(V::Zero() - g));
        StoreUpTo(silu * LoadUpTo<V>(up + f, p.F - f), y + f, p.F - f);
      }
    }
  }

  /// a / 2 (1 + tanh(u)) is a / (1 + exp(-2 u)).
  static void GeluMul(const ops::GatedActivationParams& p, int64_t t_begin, int64_t t_end) {
    constexpr float kTwiceSlope = -1.5957691216057308f;  // -2 sqrt(2 / pi)
    for (int64_t t = t_begin; t < t_end; ++t) {
      const float* gate = static_cast<const float*>(p.gate) + t * p.in_stride;
      const float* up = static_cast<const float*>(p.up) + t * p.in_stride;
      float* y = static_cast<float*>(p.y) + t * p.y_stride;
      for (int64_t f = 0; f < p.F; f += kLanes) {
        const V g = LoadUpTo<V>(gate + f, p.F - f);
        const V cubed = V::Broadcast(0.044715f) * g * g * g;
        const V gelu = g / (V::Broadcast(1.0f) + Exp(V::Broadcast(kTwiceSlope) * (g + cubed)));
        StoreUpTo(gelu * LoadUpTo<V>(up + f, p.F - f), y + f, p.F - f);
      }
    }
  }

  static void SoftCap(const ops::SoftCapParams& p, int64_t t_begin, int64_t t_end) {
    for (int64_t t = t_begin; t < t_end; ++t) {
      float* x = p.x + t * p.F;
      for (int64_t f = 0; f < p.F; f += kLanes) {
        StoreUpTo(Capped(LoadUpTo<V>(x + f, p.F - f), p.cap), x + f, p.F - f);
      }
    }
  }

  static void Scale(float* x, int64_t n, float scale) {
    for (int64_t i = 0; i < n; i += kLanes) {
      StoreUpTo(LoadUpTo<V>(x + i, n - i) * V::Broadcast(scale), x + i, n - i);
    }
  }

  static void Rotate(float* head, const float* cosine, const float* sine, int64_t R) {
    const int64_t half = R / 2;
    for (int64_t i = 0; i < half; i += kLanes) {
      const int64_t n = half - i;
      const V a = LoadUpTo<V>(head + i, n);
      const V b = LoadUpTo<V>(head + half + i, n);
      const V c = LoadUpTo<V>(cosine + i, n);
      const V s = LoadUpTo<V>(sine + i, n);
      StoreUpTo(a * c - b * s, head + i, n);
      StoreUpTo(b * c + a * s, head + half + i, n);
    }
  }

  static void Widen(const void* from, DType dtype, float* to, int64_t n) {
    WithType<V>(dtype, [&]<class T>() {
      const auto* typed = static_cast<const T*>(from);
      for (int64_t i = 0; i < n; i += kLanes) {
        StoreUpTo(LoadUpTo<V>(typed + i, n - i), to + i, n - i);
      }
    });
  }

  static void Narrow(const float* from, void* to, DType dtype, int64_t n) {
    WithType<V>(dtype, [&]<class T>() {
      auto* typed = static_cast<T*>(to);
      for (int64_t i = 0; i < n; i += kLanes) {
        StoreUpTo(LoadUpTo<V>(from + i, n - i), typed + i, n - i);
      }
    });
  }
};

}  // namespace baton::kernels::cpu
