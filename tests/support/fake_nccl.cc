#include "support/fake_nccl.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace baton::transport {

/// One end.
class FakeCommunicator final : public NcclCommunicator {
 public:
  FakeCommunicator(FakeNccl& nccl, std::shared_ptr<FakeNccl::Pair> pair, NcclRank rank,
                   std::unique_ptr<device::CopyQueue> queue)
      : nccl_(nccl),
        pair_(std::move(pair)),
        rank_(static_cast<int>(rank)),
        queue_(std::move(queue)),
        looks_(nccl.faults_.looks),
        hangs_(nccl.faults_.connecting_hangs),
        fails_(nccl.faults_.connecting_fails) {
    BATON_CHECK(!pair_->there[rank_]) << "a rank joined twice";
    pair_->there[rank_] = true;
    ++nccl_.begun_;
    ++nccl_.alive_;
  }
  ~FakeCommunicator() override {
    BATON_CHECK(aborted_ && Quiet()) << "a communicator was destroyed before it was quiet";
    const std::lock_guard lock(nccl_.mutex_);
    --nccl_.alive_;
  }

  Result<bool> Ready() override {
    const std::lock_guard lock(nccl_.mutex_);
    BATON_CHECK(!aborted_) << "a communicator was used after it was aborted";
    if (pair_->broken) return Unavailable("the network has failed");
    if (!connected_ && fails_ && looks_ <= 0) return Unavailable("no connection");
    if (!connected_ && (hangs_ || !pair_->there[1 - rank_])) return false;
    if (looks_-- > 0) return false;
    connected_ = true;
    if (launching_) Enqueue(std::exchange(launching_, nullptr));
    ready_ = true;
    return true;
  }

  Status Launch(std::span<const NcclRun> runs) override {
    const std::lock_guard lock(nccl_.mutex_);
    BATON_CHECK(ready_) << "a launch on a communicator that is not ready";
    if (nccl_.faults_.launching_fails) return Unavailable("the launch has failed");
    launching_ = std::make_shared<FakeNccl::Work>();
    launching_->runs.assign(runs.begin(), runs.end());
    ready_ = false;
    looks_ = nccl_.faults_.looks;
    return OkStatus();
  }

  Result<uint64_t> Mark() override {
    BATON_CHECK(ready_) << "a mark before a launch was through";
    return queue_->Mark();
  }
  Result<bool> Reached(uint64_t mark) override {
    BATON_CHECK(ready_) << "a look at a mark before a launch was through";
    return queue_->Reached(mark);
  }

  void Abort() override {
    const std::lock_guard lock(nccl_.mutex_);
    BATON_CHECK(!aborted_) << "a communicator was aborted twice";
    aborted_ = true;
    launching_ = nullptr;
    pair_->aborted[rank_] = !nccl_.faults_.aborts_hang;
  }

  bool Quiet() override {
    {
      const std::lock_guard lock(nccl_.mutex_);
      if (nccl_.faults_.aborts_hang) return false;
      pair_->aborted[rank_] = true;
    }
    return *queue_->Reached(*queue_->Mark());
  }

 private:
  void Enqueue(std::shared_ptr<FakeNccl::Work> work) {
    pair_->work[rank_].push_back(work);
    static_cast<device::FakeQueue*>(queue_->native())
        ->Give([&nccl = nccl_, pair = pair_, rank = rank_, work] {
          const std::lock_guard lock(nccl.mutex_);
          if (!pair->aborted[rank]) work->started = true;
          if (!nccl.faults_.transfers_hang) nccl.Move(*pair);
          return work->done || pair->aborted[rank];
        });
  }

  FakeNccl& nccl_;
  const std::shared_ptr<FakeNccl::Pair> pair_;
  const int rank_;
  const std::unique_ptr<device::CopyQueue> queue_;
  int looks_;
  const bool hangs_;
  const bool fails_;
  bool connected_ = false;
  bool ready_ = false;
  bool aborted_ = false;
  std::shared_ptr<FakeNccl::Work> launching_;
};

class FakeApi final : public NcclApi {
 public:
  FakeApi(FakeNccl& nccl, int version) : nccl_(nccl), version_(version) {}

  int version() const override { return version_; }

  Result<NcclUniqueId> MakeUniqueId() override {
    const std::lock_guard lock(nccl_.mutex_);
    NcclUniqueId id{};
    const uint64_t number = ++nccl_.ids_;
    std::memcpy(id.data(), &number, sizeof(number));
    nccl_.pairs_[id] = std::make_shared<FakeNccl::Pair>();
    return id;
  }

  Result<std::unique_ptr<NcclCommunicator>> Begin(
      const NcclUniqueId& id, NcclRank rank, std::unique_ptr<device::CopyQueue> queue) override {
    const std::lock_guard lock(nccl_.mutex_);
    return std::unique_ptr<NcclCommunicator>(
        std::make_unique<FakeCommunicator>(nccl_, nccl_.pairs_.at(id), rank, std::move(queue)));
  }

 private:
  FakeNccl& nccl_;
  const int version_;
};

std::unique_ptr<NcclApi> FakeNccl::MakeApi(int version) {
  return std::make_unique<FakeApi>(*this, version);
}

void FakeNccl::BreakAll() {
  const std::lock_guard lock(mutex_);
  for (auto& [id, pair] : pairs_) pair->broken = true;
}

/// Moves a little. The sender has finished when all has left it. What has left it reaches a
/// receiver that still receives, as from buffers on the way, even when the sender has aborted.
void FakeNccl::Move(Pair& pair) {
  for (int step = 0; step < 64; ++step) {
    if (!pair.buffer.empty()) Flush(pair);
    Fill(pair);
    if (pair.buffer.empty() || pair.buffer_is_last) return;
  }
}

void FakeNccl::Fill(Pair& pair) {
  constexpr uint64_t kChunk = uint64_t{64} << 10;
  auto& sends = pair.work[0];
  auto& receives = pair.work[1];
  if (!pair.buffer.empty() || sends.empty() || receives.empty()) return;
  Work& send = *sends.front();
  const Work& receive = *receives.front();
  if (!send.started || !receive.started) return;
  BATON_CHECK(send.runs.size() == receive.runs.size()) << "launches do not match";
  const NcclRun& from = send.runs[pair.run];
  const NcclRun& to = receive.runs[pair.run];
  BATON_CHECK(from.bytes == to.bytes) << "runs do not match";
  pair.buffer.resize(std::min(kChunk, from.bytes - pair.sent));
  device_.Copy(reinterpret_cast<std::byte*>(pair.buffer.data()), from.data + pair.sent,
               pair.buffer.size());
  pair.buffer_to = to.data + pair.sent;
  pair.buffer_is_last = false;
  pair.sent += pair.buffer.size();
  if (pair.sent < from.bytes) return;
  pair.sent = 0;
  if (++pair.run < send.runs.size()) return;
  pair.run = 0;
  pair.buffer_is_last = true;
  send.done = true;
  sends.pop_front();
}

void FakeNccl::Flush(Pair& pair) {
  if (pair.aborted[1]) return;
  device_.Copy(pair.buffer_to, reinterpret_cast<const std::byte*>(pair.buffer.data()),
               pair.buffer.size());
  pair.buffer.clear();
  if (!std::exchange(pair.buffer_is_last, false)) return;
  auto& receives = pair.work[1];
  receives.front()->done = true;
  receives.pop_front();
}

}  // namespace baton::transport
