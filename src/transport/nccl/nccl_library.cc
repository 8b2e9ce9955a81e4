#include "nccl_library.h"

#include <atomic>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include <dlfcn.h>
#include <nccl.h>

#include "baton/base/logging.h"

namespace baton::transport {
namespace {

/// Its functions that we use, found by name.
struct NcclFunctions {
  decltype(&ncclGetVersion) get_version = nullptr;
  decltype(&ncclGetUniqueId) get_unique_id = nullptr;
  decltype(&ncclCommInitRankConfig) comm_init = nullptr;
  decltype(&ncclCommGetAsyncError) comm_error = nullptr;
  decltype(&ncclCommAbort) comm_abort = nullptr;
  decltype(&ncclGetErrorString) error_string = nullptr;
  decltype(&ncclGetLastError) last_error = nullptr;
  decltype(&ncclGroupStart) group_start = nullptr;
  decltype(&ncclGroupEnd) group_end = nullptr;
  decltype(&ncclSend) send = nullptr;
  decltype(&ncclRecv) receive = nullptr;
};

Result<NcclFunctions> Load(const std::string& library) {
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* error = dlerror();
    return Unavailable("NCCL cannot be loaded: " + std::string(error == nullptr ? library : error));
  }
  std::string missing;
  const auto find = [&](const char* name, auto& function) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, name));
    if (function == nullptr) missing += (missing.empty() ? "" : ", ") + std::string(name);
  };
  NcclFunctions functions;
  find("ncclGetVersion", functions.get_version);
  find("ncclGetUniqueId", functions.get_unique_id);
  find("ncclCommInitRankConfig", functions.comm_init);
  find("ncclCommGetAsyncError", functions.comm_error);
  find("ncclCommAbort", functions.comm_abort);
  find("ncclGetErrorString", functions.error_string);
  find("ncclGetLastError", functions.last_error);
  find("ncclGroupStart", functions.group_start);
  find("ncclGroupEnd", functions.group_end);
  find("ncclSend", functions.send);
  find("ncclRecv", functions.receive);
  if (!missing.empty()) return Unavailable(library + " lacks " + missing);
  return functions;
}

/// In a communicator that does not block both mean that all is well so far.
bool Fine(ncclResult_t result) { return result == ncclSuccess || result == ncclInProgress; }

class LibraryCommunicator final : public NcclCommunicator {
 public:
  LibraryCommunicator(const NcclFunctions& nccl, NcclRank rank,
                      std::shared_ptr<device::DeviceMemory> memory,
                      std::unique_ptr<device::CopyQueue> queue)
      : nccl_(nccl), rank_(rank), memory_(std::move(memory)), queue_(std::move(queue)) {}

  /// Only a communicator that is not quiet, at the end of the process, leaves a thread behind.
  ~LibraryCommunicator() override {
    if (!abort_.joinable()) return;
    aborted_->load() ? abort_.join() : abort_.detach();
  }

  /// What fails here is told by Ready(), so that there is one way to give a communicator up.
  void Begin(const NcclUniqueId& id) {
    ncclUniqueId unique{};
    static_assert(sizeof(unique.internal) == sizeof(NcclUniqueId));
    std::memcpy(unique.internal, id.data(), id.size());
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    const int rank = static_cast<int>(rank_);
    begun_ = Check("connecting", nccl_.comm_init(&comm_, 2, unique, rank, &config));
  }

  Result<bool> Ready() override {
    BATON_RETURN_IF_ERROR(begun_);
    ncclResult_t state = ncclSuccess;
    BATON_RETURN_IF_ERROR(Check("its state", nccl_.comm_error(comm_, &state)));
    BATON_RETURN_IF_ERROR(Check("the communicator", state));
    return state == ncclSuccess;
  }

  Status Launch(std::span<const NcclRun> runs) override {
    memory_->MakeCurrent();
    BATON_RETURN_IF_ERROR(Check("a group", nccl_.group_start()));
    ncclResult_t first_error = ncclSuccess;
    for (const NcclRun& run : runs) {
      const ncclResult_t result = Enqueue(run);
      if (Fine(result)) continue;
      first_error = result;
      break;
    }
    const ncclResult_t end = nccl_.group_end();
    BATON_RETURN_IF_ERROR(Check("a send or receive", first_error));
    return Check("a group", end);
  }

  Result<uint64_t> Mark() override { return queue_->Mark(); }
  Result<bool> Reached(uint64_t mark) override { return queue_->Reached(mark); }

  /// It may wait for kernels, proxies and memory of the whole device: on a thread of its own.
  void Abort() override {
    if (abort_.joinable()) return;
    abort_ = std::thread([comm = std::exchange(comm_, nullptr), abort = nccl_.comm_abort,
                          memory = memory_, aborted = aborted_] {
      memory->MakeCurrent();
      if (comm != nullptr) (void)abort(comm);
      aborted->store(true);
    });
  }

  /// Its kernels leave the stream only some time after the abort.
  bool Quiet() override {
    if (!aborted_->load()) return false;
    if (last_mark_ == 0) {
      const Result<uint64_t> mark = queue_->Mark();
      if (!mark.ok()) return Dead(mark.status());
      last_mark_ = *mark;
    }
    const Result<bool> reached = queue_->Reached(last_mark_);
    return reached.ok() ? *reached : Dead(reached.status());
  }

 private:
  ncclResult_t Enqueue(const NcclRun& run) {
    const auto stream = static_cast<cudaStream_t>(queue_->native());
    if (rank_ == NcclRank::kSends) {
      return nccl_.send(run.data, run.bytes, ncclUint8, 1, comm_, stream);
    }
    return nccl_.receive(run.data, run.bytes, ncclUint8, 0, comm_, stream);
  }

  Status Check(const char* what, ncclResult_t result) const {
    if (Fine(result)) return OkStatus();
    const char* detail = nccl_.last_error(comm_);
    return Unavailable("nccl, " + std::string(what) + ": " + nccl_.error_string(result) +
                       (detail == nullptr || *detail == 0 ? "" : std::string(": ") + detail));
  }

  /// A device that fails every call runs nothing any more.
  static bool Dead(const Status& status) {
    BATON_LOG(Error) << "nccl: " << status.message();
    return true;
  }

  const NcclFunctions nccl_;
  const NcclRank rank_;
  const std::shared_ptr<device::DeviceMemory> memory_;
  const std::unique_ptr<device::CopyQueue> queue_;
  ncclComm_t comm_ = nullptr;
  Status begun_;
  std::thread abort_;
  const std::shared_ptr<std::atomic<bool>> aborted_ = std::make_shared<std::atomic<bool>>(false);
  uint64_t last_mark_ = 0;
};

class NcclLibrary final : public NcclApi {
 public:
  NcclLibrary(const NcclFunctions& nccl, int version, std::shared_ptr<device::DeviceMemory> memory)
      : nccl_(nccl), version_(version), memory_(std::move(memory)) {}

  int version() const override { return version_; }

  Result<NcclUniqueId> MakeUniqueId() override {
    ncclUniqueId unique{};
    if (const ncclResult_t result = nccl_.get_unique_id(&unique); result != ncclSuccess) {
      return Unavailable(std::string("nccl gives no id: ") + nccl_.error_string(result));
    }
    NcclUniqueId id;
    std::memcpy(id.data(), unique.internal, id.size());
    return id;
  }

  Result<std::unique_ptr<NcclCommunicator>> Begin(
      const NcclUniqueId& id, NcclRank rank, std::unique_ptr<device::CopyQueue> queue) override {
    memory_->MakeCurrent();
    auto made = std::make_unique<LibraryCommunicator>(nccl_, rank, memory_, std::move(queue));
    made->Begin(id);
    return std::unique_ptr<NcclCommunicator>(std::move(made));
  }

 private:
  const NcclFunctions nccl_;
  const int version_;
  const std::shared_ptr<device::DeviceMemory> memory_;
};

}  // namespace

Result<std::unique_ptr<NcclApi>> LoadNccl(std::shared_ptr<device::DeviceMemory> memory,
                                          const std::string& library) {
  BATON_ASSIGN_OR_RETURN(const NcclFunctions functions, Load(library));
  int version = 0;
  if (functions.get_version(&version) != ncclSuccess) {
    return Unavailable(library + " does not tell its version");
  }
  BATON_RETURN_IF_ERROR(CheckNcclVersion(version, NCCL_VERSION_CODE));
  return std::unique_ptr<NcclApi>(
      std::make_unique<NcclLibrary>(functions, version, std::move(memory)));
}

}  // namespace baton::transport
