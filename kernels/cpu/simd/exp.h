#pragma once

namespace baton::kernels::cpu {

/// e^r for |r| <= ln 2 / 2.
template <class V>
[[gnu::always_inline]] inline V ExpOfRest(V r) {
  V poly = V::Broadcast(1.9875691500e-4f);
  poly = V::MulAdd(poly, r, V::Broadcast(1.3981999507e-3f));
  poly = V::MulAdd(poly, r, V::Broadcast(8.3334519073e-3f));
  poly = V::MulAdd(poly, r, V::Broadcast(4.1665795894e-2f));
  poly = V::MulAdd(poly, r, V::Broadcast(1.6666665459e-1f));
  poly = V::MulAdd(poly, r, V::Broadcast(5.0000001201e-1f));
  return V::MulAdd(poly, r * r, r) + V::Broadcast(1.0f);
}

/// e^a to about 1 ulp; 0 below -87.3, where the result would not be normal; finite above 88.3.
/// Source: Moshier, Cephes, expf: a = n ln 2 + r with |r| <= ln 2 / 2, and a polynomial for e^r.
template <class V>
[[gnu::always_inline]] inline V Exp(V a) {
  constexpr float kLeast = -87.33f;
  constexpr float kMost = 88.37f;
  const V x =
      V::IfLess(a, V::Broadcast(kMost), V::Max(a, V::Broadcast(kLeast)), V::Broadcast(kMost));
  const V n = V::Round(x * V::Broadcast(1.44269504f));
  V r = V::MulAdd(n, V::Broadcast(-0.693359375f), x);
  r = V::MulAdd(n, V::Broadcast(2.12194440e-4f), r);
  const V e = ExpOfRest(r);
  return V::IfLess(a, V::Broadcast(kLeast), V::Zero(), V::Scale(e, n));
}

/// cap * tanh(x / cap).
template <class V>
V Capped(V x, float cap) {
  const V e = Exp(x * V::Broadcast(2 / cap));
  const V tanh = V::Broadcast(1.0f) - V::Broadcast(2.0f) / (e + V::Broadcast(1.0f));
  return V::Broadcast(cap) * tanh;
}

}  // namespace baton::kernels::cpu
