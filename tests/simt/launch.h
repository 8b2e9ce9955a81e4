#pragma once

#include <cstddef>
#include <tuple>
#include <utility>

#include <cuda_runtime_api.h>

#include "baton/device/stream.h"
#include "simt/machine.h"
#include "simt/recording.h"

namespace baton::kernels::cuda {

/// Blocks of the last launch, for tests of how many there are.
inline dim3& LastGrid() {
  static dim3 grid;
  return grid;
}

/// The twin of kernels/cuda/launch.h: the kernel has run when the call returns, unless it is
/// recorded. Throws simt::Fault.
template <class... Formal, class... Actual>
void Launch(void (*kernel)(Formal...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t,
            Actual&&... actual) {
  LastGrid() = grid;
  std::tuple<Formal...> arguments(static_cast<Formal>(std::forward<Actual>(actual))...);
  const auto run = [=] {
    simt::RunGrid({.grid = grid, .block = block, .shared_bytes = shared_bytes},
                  [&] { std::apply(kernel, arguments); });
  };
  Recording() != nullptr ? Recording()->push_back(run) : run();
}

/// The twin of LaunchEarly: of the kernels before, only what is constant is there until it waits.
template <class... Formal, class... Actual>
void LaunchEarly(void (*kernel)(Formal...), dim3 grid, dim3 block, size_t shared_bytes,
                 device::Stream&, Actual&&... actual) {
  std::tuple<Formal...> arguments(static_cast<Formal>(std::forward<Actual>(actual))...);
  const auto run = [=] {
    simt::RunGrid({.grid = grid, .block = block, .shared_bytes = shared_bytes, .early = true},
                  [&] { std::apply(kernel, arguments); });
  };
  Recording() != nullptr ? Recording()->push_back(run) : run();
}

/// The twin of LaunchTogether.
template <class... Formal, class... Actual>
void LaunchTogether(void (*kernel)(Formal...), dim3 grid, dim3 block, cudaStream_t,
                    Actual&&... actual) {
  std::tuple<Formal...> arguments(static_cast<Formal>(std::forward<Actual>(actual))...);
  const auto run = [=] {
    simt::RunGrid({.grid = grid, .block = block, .together = true},
                  [&] { std::apply(kernel, arguments); });
  };
  Recording() != nullptr ? Recording()->push_back(run) : run();
}

/// Streams of the host have no other name.
inline cudaStream_t NativeStream(device::Stream&) { return nullptr; }

}  // namespace baton::kernels::cuda
