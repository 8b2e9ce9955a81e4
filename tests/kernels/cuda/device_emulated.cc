#include <cstring>

#include "kernels/cuda/device.h"
#include "simt/machine.h"
#include "simt/recording.h"

namespace baton::kernels::cuda {

std::string WhyNoDevice() { return ""; }
std::vector<uint64_t> Schedules() { return {0, 1, 2}; }
void SetSchedule(uint64_t seed) { simt::SetSchedule(seed); }

device::Stream& DeviceStream() {
  static int replayed = 0;
  static RecordingStream stream(replayed);
  return stream;
}

std::shared_ptr<std::byte> DeviceBytes(size_t bytes) { return simt::GuardedBytes(bytes); }
void SetConstant(std::byte* device) { simt::SetConstant(device); }
void CopyToDevice(std::byte* device, const void* host, size_t bytes) {
  if (bytes > 0) std::memcpy(device, host, bytes);
}
void CopyToHost(void* host, const std::byte* device, size_t bytes) {
  if (bytes > 0) std::memcpy(host, device, bytes);
}

}  // namespace baton::kernels::cuda
