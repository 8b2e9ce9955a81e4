#pragma once

#include <cstdint>

#include "ptx/mbarrier.h"
#include "ptx/tensor_map.h"

/// The twin of kernels/cuda/ptx/tma.h.
namespace baton::kernels::cuda::ptx {

inline void PrefetchTensorMap(const TensorMap*) {}

inline void LoadBox(void* shared, const TensorMap* map, Mbarrier* barrier, int32_t c0, int32_t c1,
                    simt::Site site = simt::Site::current()) {
  const int32_t corner[] = {c0, c1};
  simt::CopyBoxLater(static_cast<std::byte*>(shared), *map, corner, 2, &barrier->state, site);
}
inline void LoadBox(void* shared, const TensorMap* map, Mbarrier* barrier, int32_t c0, int32_t c1,
                    int32_t c2, simt::Site site = simt::Site::current()) {
  const int32_t corner[] = {c0, c1, c2};
  simt::CopyBoxLater(static_cast<std::byte*>(shared), *map, corner, 3, &barrier->state, site);
}
inline void LoadBox(void* shared, const TensorMap* map, Mbarrier* barrier, int32_t c0, int32_t c1,
                    int32_t c2, int32_t c3, simt::Site site = simt::Site::current()) {
  const int32_t corner[] = {c0, c1, c2, c3};
  simt::CopyBoxLater(static_cast<std::byte*>(shared), *map, corner, 4, &barrier->state, site);
}
inline void LoadBox(void* shared, const TensorMap* map, Mbarrier* barrier, int32_t c0, int32_t c1,
                    int32_t c2, int32_t c3, int32_t c4, simt::Site site = simt::Site::current()) {
  const int32_t corner[] = {c0, c1, c2, c3, c4};
  simt::CopyBoxLater(static_cast<std::byte*>(shared), *map, corner, 5, &barrier->state, site);
}

inline void LoadRun(void* shared, const void* global, uint32_t bytes, Mbarrier* barrier,
                    simt::Site site = simt::Site::current()) {
  simt::CopyRunLater(static_cast<std::byte*>(shared), static_cast<const std::byte*>(global), bytes,
                     &barrier->state, site);
}

/// Ordinary writes are seen at once here: a fence that is missing does not show.
inline void FenceAsyncProxy() { simt::Yield(); }

}  // namespace baton::kernels::cuda::ptx
