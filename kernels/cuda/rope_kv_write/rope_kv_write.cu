#include "baton/base/check.h"
#include "elements.h"
#include "launch.h"
#include "operations.h"
#include "ptx/kernel_order.h"
#include "shared_memory.h"
#include "sincos.h"

namespace baton::kernels::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kMaxPairs = 256;

struct RopeStorage {
  float cosine[kMaxPairs];
  float sine[kMaxPairs];
  int sequence;
};

/// The sequence whose rows include t: the last that begins at or before it, as empty ones precede.
__device__ int SequenceOf(const int32_t* __restrict__ query_begin, int32_t S, int t) {
  int low = 0;
  int high = S;
  while (low + 1 < high) {
    const int middle = (low + high) / 2;
    (query_begin[middle] <= t ? low : high) = middle;
  }
  return low;
}

/// Elements i and i + R/2 of a head, W neighbours of each, in place.
template <int W>
__device__ __forceinline__ void Rotate(__nv_bfloat16* head, int half, int i,
                                       const RopeStorage& angles, float (&a)[W], float (&b)[W]) {
  Load(head + i, a);
  Load(head + half + i, b);
#pragma unroll
  for (int k = 0; k < W; ++k) {
    const float c = angles.cosine[i + k];
    const float s = angles.sine[i + k];
    const float x = a[k];
    a[k] = x * c - b[k] * s;
    b[k] = b[k] * c + x * s;
  }
  Store(a, head + i);
  Store(b, head + half + i);
}

/// Operands, with the cache's block and row of a position found where it is written.
struct Rope {
  __nv_bfloat16* q;        // [T, H, D], q_stride
  __nv_bfloat16* k;        // [T, G, D], kv_stride
  const __nv_bfloat16* v;  // [T, G, D], kv_stride
  const float* inv_freq;   // [R/2]
  int64_t q_stride;
  int64_t kv_stride;
  float attention_scale;
  int H;
  int R;
};

/// Token blockIdx.x. Rows beyond the last sequence's are left alone.
template <int W>
__global__ void __launch_bounds__(kThreads)
    RopeTokens(Rope rope, ops::PagedBatch batch, ops::PagedKv kv) {
  ptx::LetNextBegin();
  ptx::AwaitKernelsBefore();
  const int t = static_cast<int>(blockIdx.x);
  if (batch.S == 0 || t >= batch.query_begin[batch.S]) return;
  RopeStorage& shared = StaticShared<RopeStorage>();
  // 1. The position follows from the batch.
  if (threadIdx.x == 0) shared.sequence = SequenceOf(batch.query_begin, batch.S, t);
  __syncthreads();  // The sequence is found.
  const int s = shared.sequence;
  const int position = batch.kv_tokens[s] - (batch.query_begin[s + 1] - t);
  // 2. Cosine and sine once for all heads; the angle is a float32 product.
  const int half = rope.R / 2;
  for (int i = static_cast<int>(threadIdx.x); i < half; i += kThreads) {
    const SinCos exact = ExactSinCos(static_cast<float>(position) * rope.inv_freq[i]);
    shared.cosine[i] = exact.cosine * rope.attention_scale;
    shared.sine[i] = exact.sine * rope.attention_scale;
  }
  __syncthreads();  // The angles of all pairs are written.
  // 3. Where the token's K of head 0 lies in the cache.
  const int64_t block = batch.block_tables[s * batch.table_stride + position / kv.P];
  auto* cache_k = reinterpret_cast<__nv_bfloat16*>(kv.base + block * kv.block_stride) +
                  int64_t{position % kv.P} * kv.D;
  auto* cache_v = cache_k + kv.v_offset / static_cast<int64_t>(sizeof(__nv_bfloat16));
  const int64_t head_elements = int64_t{kv.P} * kv.D;
  // 4. Pairs of all query heads, then of all KV heads, W at a time.
  const int per_head = half / W;
  for (int item = static_cast<int>(threadIdx.x); item < (rope.H + kv.G) * per_head;
       item += kThreads) {
    const int h = item / per_head;
    const int i = item % per_head * W;
    float a[W];
    float b[W];
    if (h < rope.H) {
      Rotate(rope.q + t * rope.q_stride + int64_t{h} * kv.D, half, i, shared, a, b);
    } else {
      const int g = h - rope.H;
      Rotate(rope.k + t * rope.kv_stride + int64_t{g} * kv.D, half, i, shared, a, b);
      Store(a, cache_k + g * head_elements + i);
      Store(b, cache_k + g * head_elements + half + i);
    }
  }
  // 5. What is not rotated goes to the cache as it is: K from R on, and V.
  const int tail = (kv.D - rope.R) / W;
  const int plain = tail + kv.D / W;
  for (int item = static_cast<int>(threadIdx.x); item < kv.G * plain; item += kThreads) {
    const int g = item / plain;
    const int j = item % plain;
    const int d = j < tail ? rope.R + j * W : (j - tail) * W;
    const __nv_bfloat16* from = j < tail ? rope.k : rope.v;
    __nv_bfloat16* to = j < tail ? cache_k : cache_v;
    float values[W];
    Load(from + t * rope.kv_stride + int64_t{g} * kv.D + d, values);
    Store(values, to + g * head_elements + d);
  }
}

bool EightsFit(const ops::RopeKvWriteParams& p) {
  return p.R % 16 == 0 && p.kv.D % 8 == 0 && p.q_stride % 8 == 0 && p.kv_stride % 8 == 0 &&
         Fits16(p.q) && Fits16(p.k) && Fits16(p.v) && Fits16(p.kv.base) &&
         Fits16(p.kv.block_stride) && Fits16(p.kv.v_offset);
}

}  // namespace

void RopeKvWrite(const ops::RopeKvWriteParams& p, device::Stream& stream) {
  BATON_CHECK(p.activation == DType::kBFloat16) << "activations on the device are bfloat16";
  BATON_CHECK(p.kv.dtype == DType::kBFloat16) << "the cache on the device is bfloat16";
  if (p.batch.T == 0) return;
  BATON_CHECK(p.R > 0 && p.R % 2 == 0 && p.R <= p.kv.D && p.R <= 2 * kMaxPairs);
  BATON_CHECK(p.q_stride >= int64_t{p.H} * p.kv.D && p.kv_stride >= int64_t{p.kv.G} * p.kv.D);
  BATON_CHECK(p.q != nullptr && p.k != nullptr && p.v != nullptr && p.inv_freq != nullptr &&
              p.kv.base != nullptr);
  const Rope rope{.q = static_cast<__nv_bfloat16*>(p.q),
                  .k = static_cast<__nv_bfloat16*>(p.k),
                  .v = static_cast<const __nv_bfloat16*>(p.v),
                  .inv_freq = p.inv_freq,
                  .q_stride = p.q_stride,
                  .kv_stride = p.kv_stride,
                  .attention_scale = p.attention_scale,
                  .H = p.H,
                  .R = p.R};
  LaunchEarly(EightsFit(p) ? RopeTokens<8> : RopeTokens<1>, dim3(static_cast<unsigned>(p.batch.T)),
              dim3(kThreads), 0, stream, rope, p.batch, p.kv);
}

}  // namespace baton::kernels::cuda
