#pragma once

// Atomics and fences. Threads switch only where they wait or yield, so a plain update is atomic;
// another thread may come before it.

#include <algorithm>

#include "simt/machine.h"

namespace baton::simt {

template <class T, class Update>
T Atomically(T* place, Update update) {
  Yield();
  const T old = *place;
  *place = update(old);
  return old;
}

}  // namespace baton::simt

template <class T>
T atomicAdd(T* place, T value) {
  return ::baton::simt::Atomically(place, [=](T old) { return static_cast<T>(old + value); });
}
template <class T>
T atomicSub(T* place, T value) {
  return ::baton::simt::Atomically(place, [=](T old) { return static_cast<T>(old - value); });
}
template <class T>
T atomicExch(T* place, T value) {
  return ::baton::simt::Atomically(place, [=](T) { return value; });
}
template <class T>
T atomicMax(T* place, T value) {
  return ::baton::simt::Atomically(place, [=](T old) { return std::max(old, value); });
}
template <class T>
T atomicMin(T* place, T value) {
  return ::baton::simt::Atomically(place, [=](T old) { return std::min(old, value); });
}
template <class T>
T atomicAnd(T* place, T value) {
  return ::baton::simt::Atomically(place, [=](T old) { return static_cast<T>(old & value); });
}
template <class T>
T atomicOr(T* place, T value) {
  return ::baton::simt::Atomically(place, [=](T old) { return static_cast<T>(old | value); });
}
template <class T>
T atomicXor(T* place, T value) {
  return ::baton::simt::Atomically(place, [=](T old) { return static_cast<T>(old ^ value); });
}
template <class T>
T atomicCAS(T* place, T expected, T value) {
  return ::baton::simt::Atomically(place, [=](T old) { return old == expected ? value : old; });
}
inline unsigned atomicInc(unsigned* place, unsigned limit) {
  return ::baton::simt::Atomically(place, [=](unsigned old) { return old >= limit ? 0 : old + 1; });
}
inline unsigned atomicDec(unsigned* place, unsigned limit) {
  return ::baton::simt::Atomically(
      place, [=](unsigned old) { return old == 0 || old > limit ? limit : old - 1; });
}

inline void __threadfence() { ::baton::simt::Yield(); }
inline void __threadfence_block() { ::baton::simt::Yield(); }
inline void __threadfence_system() { ::baton::simt::Yield(); }
inline void __nanosleep(unsigned) { ::baton::simt::Yield(); }
