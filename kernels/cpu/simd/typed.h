#pragma once

#include <cstdint>

#include "baton/base/dtype.h"

namespace baton::kernels::cpu {

/// Calls f<T>() with the type of `dtype`. V only names the instruction set, so that each has its
/// own copy. REQUIRES: float32, float16 or bfloat16.
template <class V, class F>
void WithType(DType dtype, F f) {
  switch (dtype) {
    case DType::kFloat32: return f.template operator()<float>();
    case DType::kFloat16: return f.template operator()<Float16>();
    case DType::kBFloat16: return f.template operator()<BFloat16>();
    case DType::kInt32:
    case DType::kInt8: break;
  }
}

/// The first n lanes, n at most V::kLanes or more than that for all; zero elsewhere.
template <class V, class T>
V LoadUpTo(const T* from, int64_t n) {
  return n >= V::kLanes ? V::Load(from) : V::LoadPart(from, n);
}

template <class V, class T>
void StoreUpTo(V v, T* to, int64_t n) {
  if (n >= V::kLanes) {
    v.Store(to);
  } else {
    v.StorePart(to, n);
  }
}

}  // namespace baton::kernels::cpu
