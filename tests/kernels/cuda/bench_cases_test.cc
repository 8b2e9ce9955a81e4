#include <cstring>

#include "baton/kernels/cuda_ops.h"
#include "bench/kernels/cuda/measure.h"
#include "kernels/cuda/support.h"
#include "linear/products.h"
#include "tables.h"

/// The benchmark's cases under the emulator: that they keep the contracts of what they time, before
/// a GPU's time is spent on them.
namespace baton::kernels {

const ops::Ops& CudaOps(const CudaOpsOptions& /*options*/) {
  static constexpr ops::Ops kOps = cuda::DeterministicTable("emulated", cuda::OwnLinear);
  return kOps;
}

}  // namespace baton::kernels

namespace baton::bench {

std::byte* DeviceSet::Allocate(size_t bytes) {
  allocations_.push_back(kernels::cuda::DeviceBytes(bytes));
  return allocations_.back().get();
}

template <class T>
T* DeviceSet::Copied(const std::vector<T>& values) {
  std::byte* data = Allocate(values.size() * sizeof(T));
  kernels::cuda::CopyToDevice(data, values.data(), values.size() * sizeof(T));
  kernels::cuda::SetConstant(data);
  return reinterpret_cast<T*>(data);
}

BFloat16* DeviceSet::BFloat16s(int64_t n) {
  return Copied(std::vector<BFloat16>(static_cast<size_t>(n), ToBFloat16(0.5f)));
}
float* DeviceSet::Floats(int64_t n) {
  return Copied(std::vector<float>(static_cast<size_t>(n), 0.5f));
}
int32_t* DeviceSet::Ints(const std::vector<int32_t>& values) { return Copied(values); }
std::byte* DeviceSet::Bytes(int64_t n) {
  return reinterpret_cast<std::byte*>(Copied(std::vector<uint8_t>(static_cast<size_t>(n), 0)));
}

namespace {

/// What the emulator does in seconds.
constexpr double kMostBytes = 5e6;
/// All blocks of a sum over ranks run at once, each thread on a stack of its own.
constexpr double kMostPeerBytes = 3e6;
constexpr double kMostFlops = 4e7;

TEST(BenchCases, KeepTheContractsOfWhatTheyTime) {
  std::vector<std::string> ran;
  for (const auto& source :
       {AttentionCases(), PeerSumCases(), PrefillCases(), RowCases(), SampleCases()}) {
    for (const Case& c : source) {
      const double most_bytes = c.op == "peer_sum" ? kMostPeerBytes : kMostBytes;
      if (c.bytes > most_bytes || c.flops > kMostFlops) continue;
      SCOPED_TRACE(c.op + ": " + c.shape);
      DeviceSet set(1);
      c.prepare(set)(kernels::cuda::DeviceStream());
      ran.push_back(c.op);
    }
  }
  for (const char* op :
       {"embedding", "rms_norm + residual", "rms_norm of heads", "rope_kv_write", "silu_mul",
        "gelu_mul", "gather_rows", "peer_sum", "sample: greedy", "sample: top_k 50, top_p",
        "sample: 5 log-probabilities", "attention, decode", "paged_prefill"}) {
    EXPECT_NE(std::find(ran.begin(), ran.end(), op), ran.end()) << op << " has no small case";
  }
}

TEST(BenchCases, HaveNamesOfTheirOwn) {
  std::vector<std::string> names;
  for (const auto& source :
       {AttentionCases(), PeerSumCases(), PrefillCases(), RowCases(), SampleCases()}) {
    for (const Case& c : source) {
      const std::string name = c.op + ": " + c.shape;
      EXPECT_EQ(std::find(names.begin(), names.end(), name), names.end()) << name;
      names.push_back(name);
      EXPECT_GT(c.bytes, 0) << name;
    }
  }
}

}  // namespace
}  // namespace baton::bench
