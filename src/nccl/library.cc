#include "baton/nccl/library.h"

#include <cstring>
#include <utility>

#include <dlfcn.h>
#include <nccl.h>

#include "baton/base/check.h"

namespace baton::nccl {
namespace {

/// Its functions that we use, found by name.
struct Functions {
  decltype(&ncclGetVersion) get_version = nullptr;
  decltype(&ncclGetUniqueId) get_unique_id = nullptr;
  decltype(&ncclCommInitRankConfig) comm_init = nullptr;
  decltype(&ncclCommInitAll) comm_init_all = nullptr;
  decltype(&ncclCommGetAsyncError) comm_error = nullptr;
  decltype(&ncclCommAbort) comm_abort = nullptr;
  decltype(&ncclGetErrorString) error_string = nullptr;
  decltype(&ncclGetLastError) last_error = nullptr;
  decltype(&ncclGroupStart) group_start = nullptr;
  decltype(&ncclGroupEnd) group_end = nullptr;
  decltype(&ncclSend) send = nullptr;
  decltype(&ncclRecv) receive = nullptr;
  decltype(&ncclAllReduce) all_reduce = nullptr;
};

Result<Functions> FindFunctions(const std::string& library) {
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
  Functions functions;
  find("ncclGetVersion", functions.get_version);
  find("ncclGetUniqueId", functions.get_unique_id);
  find("ncclCommInitRankConfig", functions.comm_init);
  find("ncclCommInitAll", functions.comm_init_all);
  find("ncclCommGetAsyncError", functions.comm_error);
  find("ncclCommAbort", functions.comm_abort);
  find("ncclGetErrorString", functions.error_string);
  find("ncclGetLastError", functions.last_error);
  find("ncclGroupStart", functions.group_start);
  find("ncclGroupEnd", functions.group_end);
  find("ncclSend", functions.send);
  find("ncclRecv", functions.receive);
  find("ncclAllReduce", functions.all_reduce);
  if (!missing.empty()) return Unavailable(library + " lacks " + missing);
  return functions;
}

/// In a communicator that does not block both mean that all is well so far.
bool Fine(ncclResult_t result) { return result == ncclSuccess || result == ncclInProgress; }

Status Check(const Functions& nccl, ncclComm_t comm, const char* what, ncclResult_t result) {
  if (Fine(result)) return OkStatus();
  const char* detail = nccl.last_error(comm);
  return Unavailable("nccl, " + std::string(what) + ": " + nccl.error_string(result) +
                     (detail == nullptr || *detail == 0 ? "" : std::string(": ") + detail));
}

class LibraryCommunicator final : public Communicator {
 public:
  LibraryCommunicator(const Functions& nccl, ncclComm_t comm, Status begun)
      : nccl_(nccl), comm_(comm), begun_(std::move(begun)) {}

  Result<bool> Ready() override {
    BATON_RETURN_IF_ERROR(begun_);
    ncclResult_t state = ncclSuccess;
    BATON_RETURN_IF_ERROR(Check("its state", nccl_.comm_error(comm_, &state)));
    BATON_RETURN_IF_ERROR(Check("the communicator", state));
    return state == ncclSuccess;
  }

  Status GroupStart() override { return Check("a group", nccl_.group_start()); }
  Status GroupEnd() override { return Check("a group", nccl_.group_end()); }

  Status Send(const void* data, uint64_t bytes, int peer, void* stream) override {
    return Check("a send", nccl_.send(data, bytes, ncclUint8, peer, comm_, Cuda(stream)));
  }
  Status Receive(void* data, uint64_t bytes, int peer, void* stream) override {
    return Check("a receive", nccl_.receive(data, bytes, ncclUint8, peer, comm_, Cuda(stream)));
  }
  Status AllReduce(void* x, uint64_t count, DType dtype, void* stream) override {
    BATON_CHECK(dtype == DType::kFloat32 || dtype == DType::kBFloat16);
    const ncclDataType_t type = dtype == DType::kFloat32 ? ncclFloat32 : ncclBfloat16;
    return Check("an all-reduce",
                 nccl_.all_reduce(x, x, count, type, ncclSum, comm_, Cuda(stream)));
  }

  void AbortAndWait() override {
    if (ncclComm_t comm = std::exchange(comm_, nullptr); comm != nullptr) {
      (void)nccl_.comm_abort(comm);
    }
  }

 private:
  static cudaStream_t Cuda(void* stream) { return static_cast<cudaStream_t>(stream); }
  Status Check(const char* what, ncclResult_t result) const {
    return nccl::Check(nccl_, comm_, what, result);
  }

  const Functions nccl_;
  ncclComm_t comm_;
  const Status begun_;
};

class LoadedLibrary final : public Library {
 public:
  LoadedLibrary(const Functions& nccl, int version) : nccl_(nccl), version_(version) {}

  int version() const override { return version_; }

  Result<UniqueId> MakeUniqueId() override {
    ncclUniqueId unique{};
    if (const ncclResult_t result = nccl_.get_unique_id(&unique); result != ncclSuccess) {
      return Unavailable(std::string("nccl gives no id: ") + nccl_.error_string(result));
    }
    UniqueId id;
    static_assert(sizeof(unique.internal) == sizeof(UniqueId));
    std::memcpy(id.data(), unique.internal, id.size());
    return id;
  }

  std::unique_ptr<Communicator> Begin(const UniqueId& id, int rank, int ranks) override {
    ncclUniqueId unique{};
    std::memcpy(unique.internal, id.data(), id.size());
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    ncclComm_t comm = nullptr;
    const ncclResult_t result = nccl_.comm_init(&comm, ranks, unique, rank, &config);
    return std::make_unique<LibraryCommunicator>(nccl_, comm,
                                                 Check(nccl_, comm, "connecting", result));
  }

  Result<std::vector<std::unique_ptr<Communicator>>> ConnectAndWait(
      std::span<const int> devices) override {
    std::vector<ncclComm_t> comms(devices.size());
    BATON_RETURN_IF_ERROR(
        Check(nccl_, nullptr, "connecting",
              nccl_.comm_init_all(comms.data(), static_cast<int>(devices.size()), devices.data())));
    std::vector<std::unique_ptr<Communicator>> communicators;
    for (const ncclComm_t comm : comms) {
      communicators.push_back(std::make_unique<LibraryCommunicator>(nccl_, comm, OkStatus()));
    }
    return communicators;
  }

  Result<std::vector<std::unique_ptr<Communicator>>> JoinAndWait(
      const UniqueId& id, const Ranks& ranks,
      const std::function<void(int here)>& make_current) override {
    ncclUniqueId unique{};
    std::memcpy(unique.internal, id.data(), id.size());
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    std::vector<ncclComm_t> comms(static_cast<size_t>(ranks.here));
    BATON_RETURN_IF_ERROR(Check(nccl_, nullptr, "connecting", nccl_.group_start()));
    Status begun;
    for (int r = 0; r < ranks.here && begun.ok(); ++r) {
      make_current(r);
      begun = Check(nccl_, nullptr, "connecting",
                    nccl_.comm_init(&comms[static_cast<size_t>(r)], ranks.all, unique,
                                    ranks.first + r, &config));
    }
    const Status connected = Check(nccl_, nullptr, "connecting", nccl_.group_end());
    BATON_RETURN_IF_ERROR(begun);
    BATON_RETURN_IF_ERROR(connected);
    std::vector<std::unique_ptr<Communicator>> communicators;
    for (const ncclComm_t comm : comms) {
      communicators.push_back(std::make_unique<LibraryCommunicator>(nccl_, comm, OkStatus()));
    }
    return communicators;
  }

 private:
  const Functions nccl_;
  const int version_;
};

}  // namespace

Result<std::shared_ptr<Library>> Load(const std::string& library) {
  BATON_ASSIGN_OR_RETURN(const Functions functions, FindFunctions(library));
  int version = 0;
  if (functions.get_version(&version) != ncclSuccess) {
    return Unavailable(library + " does not tell its version");
  }
  BATON_RETURN_IF_ERROR(CheckVersion(version, NCCL_VERSION_CODE));
  return std::shared_ptr<Library>(std::make_shared<LoadedLibrary>(functions, version));
}

}  // namespace baton::nccl
