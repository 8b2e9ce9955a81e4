#include "nccl_library.h"

#include <atomic>
#include <thread>
#include <utility>

#include "baton/base/logging.h"

namespace baton::transport {
namespace {

class LibraryCommunicator final : public NcclCommunicator {
 public:
  LibraryCommunicator(std::unique_ptr<nccl::Communicator> nccl, NcclRank rank,
                      std::shared_ptr<device::DeviceMemory> memory,
                      std::unique_ptr<device::CopyQueue> queue)
      : nccl_(std::move(nccl)), rank_(rank), memory_(std::move(memory)), queue_(std::move(queue)) {}

  /// Only a communicator that is not quiet, at the end of the process, leaves a thread behind.
  ~LibraryCommunicator() override {
    if (!abort_.joinable()) return;
    aborted_->load() ? abort_.join() : abort_.detach();
  }

  Result<bool> Ready() override { return nccl_->Ready(); }

  Status Launch(std::span<const NcclRun> runs) override {
    memory_->MakeCurrent();
    BATON_RETURN_IF_ERROR(nccl_->GroupStart());
    Status enqueued;
    for (const NcclRun& run : runs) {
      enqueued = Enqueue(run);
      if (!enqueued.ok()) break;
    }
    const Status ended = nccl_->GroupEnd();
    BATON_RETURN_IF_ERROR(enqueued);
    return ended;
  }

  Result<uint64_t> Mark() override { return queue_->Mark(); }
  Result<bool> Reached(uint64_t mark) override { return queue_->Reached(mark); }

  /// It may wait for kernels, proxies and memory of the whole device: on a thread of its own.
  void Abort() override {
    if (abort_.joinable()) return;
    abort_ = std::thread([nccl = nccl_, memory = memory_, aborted = aborted_] {
      memory->MakeCurrent();
      nccl->AbortAndWait();
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
  Status Enqueue(const NcclRun& run) {
    if (rank_ == NcclRank::kSends) return nccl_->Send(run.data, run.bytes, 1, queue_->native());
    return nccl_->Receive(run.data, run.bytes, 0, queue_->native());
  }

  /// A device that fails every call runs nothing any more.
  static bool Dead(const Status& status) {
    BATON_LOG(Error) << "nccl: " << status.message();
    return true;
  }

  const std::shared_ptr<nccl::Communicator> nccl_;
  const NcclRank rank_;
  const std::shared_ptr<device::DeviceMemory> memory_;
  const std::unique_ptr<device::CopyQueue> queue_;
  std::thread abort_;
  const std::shared_ptr<std::atomic<bool>> aborted_ = std::make_shared<std::atomic<bool>>(false);
  uint64_t last_mark_ = 0;
};

class LibraryApi final : public NcclApi {
 public:
  LibraryApi(std::shared_ptr<nccl::Library> library, std::shared_ptr<device::DeviceMemory> memory)
      : library_(std::move(library)), memory_(std::move(memory)) {}

  int version() const override { return library_->version(); }
  Result<NcclUniqueId> MakeUniqueId() override { return library_->MakeUniqueId(); }

  Result<std::unique_ptr<NcclCommunicator>> Begin(
      const NcclUniqueId& id, NcclRank rank, std::unique_ptr<device::CopyQueue> queue) override {
    memory_->MakeCurrent();
    return std::unique_ptr<NcclCommunicator>(std::make_unique<LibraryCommunicator>(
        library_->Begin(id, static_cast<int>(rank), 2), rank, memory_, std::move(queue)));
  }

 private:
  const std::shared_ptr<nccl::Library> library_;
  const std::shared_ptr<device::DeviceMemory> memory_;
};

}  // namespace

Result<std::unique_ptr<NcclApi>> LoadNccl(std::shared_ptr<device::DeviceMemory> memory,
                                          const std::string& library) {
  BATON_ASSIGN_OR_RETURN(std::shared_ptr<nccl::Library> loaded, nccl::Load(library));
  return std::unique_ptr<NcclApi>(
      std::make_unique<LibraryApi>(std::move(loaded), std::move(memory)));
}

}  // namespace baton::transport
