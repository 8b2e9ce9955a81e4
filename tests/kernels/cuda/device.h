#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "baton/device/stream.h"

/// The device under test: the emulator or a GPU, by which of device_emulated.cc and device_cuda.cc
/// is linked.
namespace baton::kernels::cuda {

/// Why there is no device, or nothing.
std::string WhyNoDevice();

/// Seeds of the schedules to run under; on a GPU one.
std::vector<uint64_t> Schedules();
void SetSchedule(uint64_t seed);

device::Stream& DeviceStream();

/// Memory that kernels see and the host must not touch, 0xFF in every byte.
std::shared_ptr<std::byte> DeviceBytes(size_t bytes);
/// No kernel writes it from now on: any may read it before it has waited for those before.
void SetConstant(std::byte* device);
void CopyToDevice(std::byte* device, const void* host, size_t bytes);
/// Waits for what was enqueued.
void CopyToHost(void* host, const std::byte* device, size_t bytes);

}  // namespace baton::kernels::cuda
