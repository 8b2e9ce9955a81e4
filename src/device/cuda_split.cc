#include <string>
#include <utility>
#include <vector>

#include <cuda.h>
#include <cuda_runtime_api.h>

#include "baton/base/logging.h"
#include "baton/device/sm_split.h"
#include "cuda_devices.h"
#include "own_cuda_stream.h"

namespace baton::device {
namespace {

/// The last release that changed one of the functions below.
constexpr unsigned int kDriverVersion = 12050;

/// The driver's functions for parts of a device. No driver library is linked, so that a host
/// without one can start this executable: they are asked for at run time.
struct GreenContexts {
  decltype(&cuGetErrorString) get_error_string = nullptr;
  decltype(&cuDeviceGet) device_get = nullptr;
  decltype(&cuDeviceGetDevResource) device_resource = nullptr;
  decltype(&cuDevSmResourceSplitByCount) split = nullptr;
  decltype(&cuDevResourceGenerateDesc) describe = nullptr;
  decltype(&cuGreenCtxCreate) create = nullptr;
  decltype(&cuGreenCtxDestroy) destroy = nullptr;
  decltype(&cuGreenCtxStreamCreate) create_stream = nullptr;

  static Result<GreenContexts> Find();
};

template <typename Function>
Status FindIn(const char* name, Function& function) {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult result{};
  const cudaError_t error =
      cudaGetDriverEntryPointByVersion(name, &found, kDriverVersion, cudaEnableDefault, &result);
  if (error != cudaSuccess || result != cudaDriverEntryPointSuccess || found == nullptr) {
    return Unavailable("the driver has no " + std::string(name) +
                       "; green contexts need one of CUDA 12.5 or later");
  }
  function = reinterpret_cast<Function>(found);
  return OkStatus();
}

Result<GreenContexts> GreenContexts::Find() {
  GreenContexts driver;
  BATON_RETURN_IF_ERROR(FindIn("cuGetErrorString", driver.get_error_string));
  BATON_RETURN_IF_ERROR(FindIn("cuDeviceGet", driver.device_get));
  BATON_RETURN_IF_ERROR(FindIn("cuDeviceGetDevResource", driver.device_resource));
  BATON_RETURN_IF_ERROR(FindIn("cuDevSmResourceSplitByCount", driver.split));
  BATON_RETURN_IF_ERROR(FindIn("cuDevResourceGenerateDesc", driver.describe));
  BATON_RETURN_IF_ERROR(FindIn("cuGreenCtxCreate", driver.create));
  BATON_RETURN_IF_ERROR(FindIn("cuGreenCtxDestroy", driver.destroy));
  BATON_RETURN_IF_ERROR(FindIn("cuGreenCtxStreamCreate", driver.create_stream));
  return driver;
}

/// Deals one device's multiprocessors.
class Dealer {
 public:
  Dealer(const GreenContexts& driver, int device)
      : driver_(driver), name_("cuda:" + std::to_string(device)) {}

  /// Asks the driver for as many groups as it has.
  Status Split(int device) {
    BATON_RETURN_IF_ERROR(Check("cuDeviceGet", driver_.device_get(&device_, device)));
    BATON_RETURN_IF_ERROR(Check("cuDeviceGetDevResource",
                                driver_.device_resource(device_, &all_, CU_DEV_RESOURCE_TYPE_SM)));
    // The driver rounds up to the least group that it knows.
    unsigned int count = 0;
    BATON_RETURN_IF_ERROR(
        Check("cuDevSmResourceSplitByCount", driver_.split(nullptr, &count, &all_, nullptr, 0, 1)));
    groups_.resize(count);
    BATON_RETURN_IF_ERROR(Check("cuDevSmResourceSplitByCount",
                                driver_.split(groups_.data(), &count, &all_, &rest_, 0, 1)));
    groups_.resize(count);
    return OkStatus();
  }

  Result<SmSplit> Plan(std::array<int32_t, 2> percent) const {
    auto split = PlanSmSplit(
        {.multiprocessors = static_cast<int32_t>(all_.sm.smCount),
         .group_size = groups_.empty() ? 1 : static_cast<int32_t>(groups_[0].sm.smCount),
         .groups = static_cast<int32_t>(groups_.size()),
         .percent = percent});
    return split.ok() ? split : split.status().WithContext(name_);
  }

  Result<std::unique_ptr<CudaStream>> Open(const SmSplit& split, size_t user) {
    const auto begin = groups_.begin() + (user == 0 ? 0 : split.groups[0]);
    std::vector<CUdevResource> mine(begin, begin + split.groups[user]);
    const bool has_rest = user == 1 && split.second_has_rest && rest_.sm.smCount > 0;
    if (has_rest) mine.push_back(rest_);
    CUdevResourceDesc description = nullptr;
    BATON_RETURN_IF_ERROR(
        Check("cuDevResourceGenerateDesc",
              driver_.describe(&description, mine.data(), static_cast<unsigned int>(mine.size()))));
    CUgreenCtx context = nullptr;
    BATON_RETURN_IF_ERROR(Check("cuGreenCtxCreate", driver_.create(&context, description, device_,
                                                                   CU_GREEN_CTX_DEFAULT_STREAM)));
    const std::shared_ptr<void> part(context, [destroy = driver_.destroy](void* green) {
      (void)destroy(static_cast<CUgreenCtx>(green));
    });
    CUstream stream = nullptr;
    BATON_RETURN_IF_ERROR(
        Check("cuGreenCtxStreamCreate",
              driver_.create_stream(&stream, context, CU_STREAM_NON_BLOCKING, 0)));
    unsigned int count = 0;
    for (const CUdevResource& group : mine) count += group.sm.smCount;
    BATON_LOG(Info) << name_ << ": the " << (user == 0 ? "first" : "second") << " part has "
                    << count << " of its " << all_.sm.smCount << " multiprocessors";
    return OwnCudaStream(stream, static_cast<int32_t>(count), part);
  }

 private:
  Status Check(const char* what, CUresult result) const {
    if (result == CUDA_SUCCESS) return OkStatus();
    const char* text = nullptr;
    (void)driver_.get_error_string(result, &text);
    return Unavailable(name_ + " is not split: " + what + ": " +
                       (text == nullptr ? std::to_string(static_cast<int>(result)) : text));
  }

  const GreenContexts& driver_;
  const std::string name_;
  CUdevice device_ = 0;
  CUdevResource all_{};
  CUdevResource rest_{};
  std::vector<CUdevResource> groups_;
};

}  // namespace

Result<std::array<std::unique_ptr<CudaStream>, 2>> OpenSplitCudaStreams(
    int device, std::array<int32_t, 2> percent) {
  BATON_RETURN_IF_ERROR(CheckCudaDevice(device));
  // Makes the device's primary context, which the parts belong to.
  if (const cudaError_t error = cudaSetDevice(device); error != cudaSuccess) {
    return Unavailable("cuda:" + std::to_string(device) + ": " + cudaGetErrorString(error));
  }
  BATON_ASSIGN_OR_RETURN(const GreenContexts driver, GreenContexts::Find());
  Dealer dealer(driver, device);
  BATON_RETURN_IF_ERROR(dealer.Split(device));
  BATON_ASSIGN_OR_RETURN(const SmSplit split, dealer.Plan(percent));
  std::array<std::unique_ptr<CudaStream>, 2> streams;
  for (size_t user = 0; user < streams.size(); ++user) {
    BATON_ASSIGN_OR_RETURN(streams[user], dealer.Open(split, user));
  }
  return streams;
}

}  // namespace baton::device
