#include "support/late_device.h"

#include <cstring>
#include <thread>
#include <utility>

#include <sys/mman.h>

#include "baton/base/check.h"
#include "baton/base/units.h"
#include "baton/kernels/cpu_ops.h"

namespace baton::device {
namespace {

constexpr size_t kArenaBytes = size_t{4} << 30;
constexpr size_t kPage = 4096;

size_t WholePages(size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

}  // namespace

class LateStream final : public WorkStream {
 public:
  LateStream(LateDevice& device, uint64_t seed) : device_(device), random_(seed) {}

  bool asynchronous() const override { return true; }
  void SynchronizeAndWait() override { ReachAndWait(given_); }
  void ToDevice(void* device, const void* host, size_t bytes) override {
    if (bytes == 0) return;
    BATON_CHECK(recording_ == nullptr) << "a copy within what is recorded";
    BATON_CHECK(device_.Owns(device)) << "a copy to memory that is not the device's";
    BATON_CHECK(device_.IsPinned(host, bytes)) << "a copy from memory that is not pinned";
    Enqueue({[=] { std::memcpy(device, host, bytes); }});
  }
  void ToHost(void* host, const void* device, size_t bytes) override {
    if (bytes == 0) return;
    BATON_CHECK(recording_ == nullptr) << "a copy within what is recorded";
    BATON_CHECK(device_.Owns(device)) << "a copy of memory that is not the device's";
    BATON_CHECK(device_.IsPinned(host, bytes)) << "a copy to memory that is not pinned";
    Enqueue({[=] { std::memcpy(host, device, bytes); }});
  }
  uint64_t Mark() override {
    BATON_CHECK(recording_ == nullptr) << "a mark within what is recorded";
    Enqueue({[] {}});
    return given_;
  }
  bool Reached(uint64_t mark) override {
    const std::lock_guard lock(mutex_);
    Do(random_.Below(4));
    return done_ >= mark || device_.failed();
  }
  void ReachAndWait(uint64_t mark) override {
    bool waits = false;
    for (;;) {
      std::function<void()> help;
      {
        const std::lock_guard lock(mutex_);
        if (mark > done_ && !std::exchange(waits, true)) ++device_.waits_;
        if (mark > done_) Do(mark - done_);
        if (done_ >= mark || device_.failed()) return;
        help = work_.front().help;
      }
      if (help) help();
      std::this_thread::yield();
    }
  }
  void TryToWork() override {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock.owns_lock()) Do(work_.size());
  }
  bool records() const override { return true; }
  bool Record(uint64_t key, const std::function<void()>& enqueue) override {
    if (device_.recordings_left_ == 0) return false;
    --device_.recordings_left_;
    const auto [entry, is_new] = recorded_.try_emplace(key);
    BATON_CHECK(is_new) << "recorded twice";
    recording_ = &entry->second;
    enqueue();
    recording_ = nullptr;
    return true;
  }
  void Replay(uint64_t key) override {
    ++device_.replays_;
    for (const Work& work : recorded_.at(key)) Enqueue(work);
  }
  void ForgetRecordings() override { recorded_.clear(); }
  Status status() const override {
    return device_.failed() ? Internal("the device has failed").WithBlast(Blast::kWorker)
                            : OkStatus();
  }

  void Enqueue(Work work) override {
    if (recording_ != nullptr) return recording_->push_back(std::move(work));
    const std::lock_guard lock(mutex_);
    work_.push_back(std::move(work));
    ++given_;
    ++device_.pending_;
  }
  LateDevice& device() { return device_; }
  HostStream& host() { return host_; }

 private:
  /// Stops before what is not ready.
  void Do(uint64_t count) {
    if (count == 0 || work_.empty() || device_.failed()) return;
    device_.Touch([&] {
      for (; count > 0 && !work_.empty(); --count) {
        if (work_.front().ready && !work_.front().ready()) return;
        work_.front().run();
        work_.pop_front();
        ++done_;
        --device_.pending_;
      }
    });
  }

  LateDevice& device_;
  HostStream host_{1};
  /// A mutex, since streams of other devices help along.
  std::mutex mutex_;
  Random random_;
  std::deque<Work> work_;
  std::map<uint64_t, std::vector<Work>> recorded_;
  std::vector<Work>* recording_ = nullptr;
  uint64_t given_ = 0;
  uint64_t done_ = 0;
};

namespace {

class LateQueue final : public CopyQueue {
 public:
  LateQueue(LateDevice& device, uint64_t seed) : stream_(device, seed) {}
  Status ToHost(std::byte* host, const std::byte* device, size_t bytes) override {
    stream_.ToHost(host, device, bytes);
    return stream_.status();
  }
  Status ToDevice(std::byte* device, const std::byte* host, size_t bytes) override {
    stream_.ToDevice(device, host, bytes);
    return stream_.status();
  }
  Result<uint64_t> Mark() override { return stream_.Mark(); }
  Result<bool> Reached(uint64_t mark) override {
    BATON_RETURN_IF_ERROR(stream_.status());
    return stream_.Reached(mark);
  }
  void* native() override { return this; }

 private:
  LateStream stream_;
};

/// Enqueues one of the CPU's operations with a copy of its parameters.
template <typename Params>
void Late(void (*operation)(const Params&, Stream&), const Params& params, Stream& stream,
          std::initializer_list<const void*> arrays) {
  auto& late = dynamic_cast<LateStream&>(stream);
  for (const void* array : arrays) {
    BATON_CHECK(array == nullptr || late.device().Owns(array))
        << "an operation was given an array that is not the device's";
  }
  late.Enqueue({[operation, params, &late] { operation(params, late.host()); }});
}

/// Tells batches apart.
uint64_t Sum(const ops::PagedBatch& batch, int32_t block_tokens) {
  uint64_t sum = 1;
  const auto add = [&](int64_t value) {
    sum = sum * 0x9E3779B97F4A7C15 + static_cast<uint64_t>(value);
  };
  add(batch.S);
  add(batch.T);
  for (int32_t s = 0; s < batch.S; ++s) {
    add(batch.query_begin[s]);
    add(batch.kv_tokens[s]);
    for (int64_t i = 0; i < CeilDiv(batch.kv_tokens[s], block_tokens); ++i) {
      add(batch.block_tables[s * batch.table_stride + i]);
    }
  }
  return sum;
}

size_t PlanBytes(const ops::PlanShape&) { return sizeof(uint64_t); }
void Plan(const ops::PagedBatch& batch, const ops::PlanShape& shape, std::byte* out) {
  const uint64_t sum = Sum(batch, shape.P);
  std::memcpy(out, &sum, sizeof sum);
}

void AttendByPlan(const ops::PagedAttentionParams& p, Stream& stream) {
  uint64_t planned = 0;
  std::memcpy(&planned, p.batch.plan, sizeof planned);
  BATON_CHECK(planned == Sum(p.batch, p.kv.P)) << "the plan of another batch";
  kernels::CpuOps().paged_attention(p, stream);
}

void Embedding(const ops::EmbeddingParams& p, Stream& stream) {
  Late(kernels::CpuOps().embedding, p, stream, {p.tokens, p.table, p.y});
}
void RmsNorm(const ops::RmsNormParams& p, Stream& stream) {
  Late(kernels::CpuOps().rms_norm, p, stream, {p.residual, p.x, p.w, p.y});
}
void Linear(const ops::LinearParams& p, Stream& stream) {
  Late(kernels::CpuOps().linear, p, stream, {p.x, p.w, p.bias, p.y});
}
void RopeKvWrite(const ops::RopeKvWriteParams& p, Stream& stream) {
  Late(kernels::CpuOps().rope_kv_write, p, stream,
       {p.q, p.k, p.v, p.inv_freq, p.batch.query_begin, p.batch.kv_tokens, p.batch.block_tables,
        p.kv.base});
}
void PagedAttention(const ops::PagedAttentionParams& p, Stream& stream) {
  BATON_CHECK(p.batch.plan != nullptr) << "attention without a plan";
  Late(AttendByPlan, p, stream,
       {p.q, p.y, p.batch.query_begin, p.batch.kv_tokens, p.batch.block_tables, p.batch.plan,
        p.kv.base});
}
void SiluMul(const ops::GatedActivationParams& p, Stream& stream) {
  Late(kernels::CpuOps().silu_mul, p, stream, {p.gate, p.up, p.y});
}
void GeluMul(const ops::GatedActivationParams& p, Stream& stream) {
  Late(kernels::CpuOps().gelu_mul, p, stream, {p.gate, p.up, p.y});
}
void SoftCap(const ops::SoftCapParams& p, Stream& stream) {
  Late(kernels::CpuOps().soft_cap, p, stream, {p.x});
}
void GatherRows(const ops::GatherRowsParams& p, Stream& stream) {
  Late(kernels::CpuOps().gather_rows, p, stream, {p.x, p.rows, p.y});
}

/// What the rows point at is the device's too; they can be looked at when the operation runs.
void SampleRows(const ops::SampleParams& p, Stream& stream) { kernels::CpuOps().sample(p, stream); }
void Sample(const ops::SampleParams& p, Stream& stream) {
  auto& late = dynamic_cast<LateStream&>(stream);
  late.Enqueue({[p, &late] {
    for (int64_t r = 0; r < p.R; ++r) {
      const ops::SampleRow& row = p.rows[r];
      for (const void* list : std::initializer_list<const void*>{row.prompt, row.output, row.biases,
                                                                 row.banned, row.mask}) {
        BATON_CHECK(list == nullptr || late.device().Owns(list)) << "a list of the host's";
      }
    }
  }});
  Late(SampleRows, p, stream, {p.logits, p.rows, p.out, p.top, p.tokens});
}

ops::Ops MakeLateOps() {
  return {.name = "late",
          .activation = kernels::CpuOps().activation,
          .plan_bytes = PlanBytes,
          .plan = Plan,
          .embedding = Embedding,
          .rms_norm = RmsNorm,
          .linear = Linear,
          .rope_kv_write = RopeKvWrite,
          .paged_attention = PagedAttention,
          .silu_mul = SiluMul,
          .gelu_mul = GeluMul,
          .soft_cap = SoftCap,
          .gather_rows = GatherRows,
          .sample = Sample};
}

}  // namespace

LateDevice::LateDevice(uint64_t seed, std::string name) : seed_(seed), name_(std::move(name)) {
  void* arena =
      mmap(nullptr, kArenaBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  BATON_CHECK(arena != MAP_FAILED);
  arena_ = static_cast<std::byte*>(arena);
}

LateDevice::~LateDevice() { munmap(arena_, kArenaBytes); }

Result<Allocation> LateDevice::Allocate(size_t bytes) {
  const std::lock_guard lock(open_);
  BATON_CHECK(opened_ == 0 && used_ + WholePages(bytes) + kPage <= kArenaBytes);
  std::byte* data = arena_ + used_;
  // Addresses are never used again, and a page between two allocations never is.
  used_ += WholePages(bytes) + kPage;
  Touch([&] { std::memset(data, 0xFF, bytes); });
  return Allocation(
      data, [bytes](std::byte* freed) { (void)madvise(freed, WholePages(bytes), MADV_DONTNEED); });
}

Result<Allocation> LateDevice::AllocatePinned(size_t bytes) {
  auto* begin = new std::byte[bytes];
  const std::lock_guard lock(pinned_mutex_);
  pinned_[begin] = bytes;
  return Allocation(begin, [this](std::byte* freed) {
    const std::lock_guard freeing(pinned_mutex_);
    pinned_.erase(freed);
    delete[] freed;
  });
}

Result<std::unique_ptr<CopyQueue>> LateDevice::MakeQueue() {
  return std::unique_ptr<CopyQueue>(std::make_unique<LateQueue>(*this, seed_ + ++streams_));
}

std::unique_ptr<Stream> LateDevice::MakeStream() {
  return std::make_unique<LateStream>(*this, seed_ + ++streams_);
}

void LateDevice::Touch(const std::function<void()>& work) {
  const std::lock_guard lock(open_);
  if (opened_++ == 0) Protect(PROT_READ | PROT_WRITE);
  work();
  if (--opened_ == 0) Protect(PROT_NONE);
}

void LateDevice::Protect(int protection) {
  BATON_CHECK(used_ == 0 || mprotect(arena_, used_, protection) == 0);
}

bool LateDevice::Owns(const void* data) const {
  return data >= arena_ && data < arena_ + kArenaBytes;
}

bool LateDevice::IsPinned(const void* data, size_t bytes) const {
  const std::lock_guard lock(pinned_mutex_);
  const auto* first = static_cast<const std::byte*>(data);
  const auto after = pinned_.upper_bound(first);
  if (after == pinned_.begin()) return false;
  const auto& [begin, size] = *std::prev(after);
  return first + bytes <= begin + size;
}

const ops::Ops& LateOps() {
  static const ops::Ops ops = MakeLateOps();
  return ops;
}

}  // namespace baton::device
