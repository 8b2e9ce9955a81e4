#include "baton/base/check.h"
#include "baton/base/units.h"
#include "launch.h"
#include "operations.h"
#include "sample/cut.cuh"
#include "sample/kernel.cuh"
#include "sample/pick.cuh"

namespace baton::kernels::cuda {
namespace {

/// Parts of one piece of memory, the ones with larger elements first.
class Parts {
 public:
  explicit Parts(std::byte* begin) : begin_(begin) {}

  template <typename T>
  T* Take(int64_t count) {
    T* part = begin_ == nullptr ? nullptr : reinterpret_cast<T*>(begin_ + bytes_);
    bytes_ += static_cast<size_t>(count) * sizeof(T);
    return part;
  }
  size_t bytes() const { return bytes_; }

 private:
  std::byte* begin_;
  size_t bytes_ = 0;
};

SampleScratch Divide(Parts& parts, int64_t R, int64_t chunks) {
  SampleScratch scratch;
  scratch.largest = parts.Take<uint64_t>(R * chunks);
  scratch.kept = parts.Take<uint64_t>(R * chunks);
  scratch.bin_weights = parts.Take<AtomicSum>(R * kSampleBins);
  scratch.cutoff = parts.Take<uint64_t>(R);
  scratch.log_sum = parts.Take<double>(R);
  scratch.bin_counts = parts.Take<uint32_t>(R * kSampleBins);
  scratch.above = parts.Take<uint32_t>(R);
  scratch.given_logit = parts.Take<float>(R);
  return scratch;
}

int64_t Chunks(int64_t V) { return CeilDiv(V, int64_t{kSampleChunk}); }

dim3 Grid(int64_t x, int64_t y = 1) {
  return dim3(static_cast<unsigned>(x), static_cast<unsigned>(y));
}

}  // namespace

size_t SampleScratchBytes(int64_t R, int64_t V) {
  Parts parts(nullptr);
  (void)Divide(parts, R, Chunks(V));
  return parts.bytes();
}

void Sample(const ops::SampleParams& p, device::Stream& stream) {
  if (p.R == 0) return;
  BATON_CHECK(p.R > 0 && p.R <= 65535 && p.V > 0 && p.V <= kMaxSampleVocabulary)
      << p.R << " rows of " << p.V;
  BATON_CHECK(p.logits != nullptr && p.plan != nullptr && p.out != nullptr && p.scratch != nullptr);
  Parts parts(p.scratch);
  const SampleArgs args{.logits = p.logits,
                        .plan = p.plan,
                        .scratch = Divide(parts, p.R, Chunks(p.V)),
                        .out = p.out,
                        .top = p.top,
                        .tokens = p.tokens,
                        .top_stride = p.top_stride,
                        .V = static_cast<int32_t>(p.V),
                        .chunks = static_cast<int32_t>(Chunks(p.V))};
  const dim3 chunks = Grid(args.chunks, p.R);
  const dim3 bin_chunks = Grid(CeilDiv(p.V, int64_t{kBinChunk}), p.R);
  if (p.stages.logprobs) {
    LaunchEarly(FindLargest<true>, chunks, dim3(kChunkThreads), 0, stream, args);
    LaunchEarly(FillBins<true>, bin_chunks, dim3(kBinThreads), 0, stream, args);
    LaunchEarly(ListLikeliest, Grid(p.R), dim3(kCutThreads), 0, stream, args);
  }
  if (p.stages.adjusts) LaunchEarly(AdjustLogits, Grid(p.R), dim3(kChunkThreads), 0, stream, args);
  LaunchEarly(FindLargest<false>, chunks, dim3(kChunkThreads), 0, stream, args);
  if (p.stages.cuts) {
    LaunchEarly(FillBins<false>, bin_chunks, dim3(kBinThreads), 0, stream, args);
    LaunchEarly(CutRow, Grid(p.R), dim3(kCutThreads), 0, stream, args);
  }
  LaunchEarly(SumKept, chunks, dim3(kChunkThreads), 0, stream, args);
  LaunchEarly(PickToken, Grid(p.R), dim3(kChunkThreads), 0, stream, args);
}

}  // namespace baton::kernels::cuda
