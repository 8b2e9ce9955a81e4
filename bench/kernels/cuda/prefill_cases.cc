#include <cmath>

#include "launch.h"
#include "measure.h"
#include "multiprocessors.h"
#include "paged_prefill/paged_prefill.h"
#include "wgmma_gemm/wgmma_gemm.h"

/// What is bound by the tensor cores: a prompt's attention where bits may depend on chunks, and the
/// product that has its pipeline, at the shapes of `linear`.
namespace baton::bench {
namespace {

using device::Stream;
using namespace kernels::cuda;

/// The last `tokens` of `context` positions.
struct Prompt {
  int32_t tokens = 0;
  int32_t context = 0;
  int32_t P = 16;
  int32_t D = 128;
};

constexpr int32_t kQueryHeads = 32;
constexpr int32_t kKvHeads = 8;

std::vector<int32_t> PlanFor(const ops::PagedBatch& host, const Prompt& prompt, int32_t workers) {
  const ops::PlanShape shape{.H = kQueryHeads,
                             .G = kKvHeads,
                             .D = prompt.D,
                             .P = prompt.P,
                             .step_tokens = prompt.tokens,
                             .sequences = 1,
                             .context_tokens = prompt.context};
  const paged_prefill::PlanOptions options{.workers = workers};
  std::vector<int32_t> plan(paged_prefill::PlanBytes(shape, options) / sizeof(int32_t));
  paged_prefill::WritePlan(host, shape, options, reinterpret_cast<std::byte*>(plan.data()));
  return plan;
}

/// One sequence whose blocks lie scattered.
std::function<void(Stream&)> Prepare(const Prompt& prompt, DeviceSet& set) {
  const int32_t blocks = prompt.context / prompt.P;
  std::vector<int32_t> table(static_cast<size_t>(blocks));
  for (int32_t i = 0; i < blocks; ++i) {
    table[static_cast<size_t>(i)] = static_cast<int32_t>(int64_t{i} * 7919 % blocks);
  }
  const std::vector<int32_t> query_begin = {0, prompt.tokens};
  const std::vector<int32_t> kv_tokens = {prompt.context};
  ops::PagedBatch host{.query_begin = query_begin.data(),
                       .kv_tokens = kv_tokens.data(),
                       .block_tables = table.data(),
                       .table_stride = blocks,
                       .S = 1,
                       .T = prompt.tokens};
  constexpr int32_t kWorkers = kMostMultiprocessors;
  const auto* plan = reinterpret_cast<const std::byte*>(set.Ints(PlanFor(host, prompt, kWorkers)));
  ops::PagedBatch batch = host;
  batch.query_begin = set.Ints(query_begin);
  batch.kv_tokens = set.Ints(kv_tokens);
  batch.block_tables = set.Ints(table);
  const int64_t half = int64_t{kKvHeads} * prompt.P * prompt.D;
  const int64_t q_stride = int64_t{kQueryHeads + 2 * kKvHeads} * prompt.D;
  const ops::PagedAttentionParams p{
      .q = set.BFloat16s(prompt.tokens * q_stride),
      .y = set.Bytes(int64_t{prompt.tokens} * kQueryHeads * prompt.D * 2),
      .activation = DType::kBFloat16,
      .q_stride = q_stride,
      .H = kQueryHeads,
      .scale = 1.0f / std::sqrt(static_cast<float>(prompt.D)),
      .batch = batch,
      .kv = {.base = reinterpret_cast<std::byte*>(set.BFloat16s(2 * half * blocks)),
             .block_stride = 4 * half,
             .v_offset = 2 * half,
             .dtype = DType::kBFloat16,
             .G = kKvHeads,
             .P = prompt.P,
             .D = prompt.D}};
  return [p, plan](Stream& stream) { PagedPrefill(p, plan, kWorkers, stream); };
}

Case PrefillCase(const Prompt& prompt) {
  const double tokens = prompt.tokens;
  // Of (query, key) pairs that the causal mask lets through.
  const double pairs = tokens * prompt.context - tokens * (tokens - 1) / 2;
  return {.op = "paged_prefill",
          .shape = std::to_string(prompt.tokens) + " of " + std::to_string(prompt.context) +
                   ", heads 32/8 of " + std::to_string(prompt.D) + ", blocks of " +
                   std::to_string(prompt.P),
          .bytes = 2.0 * prompt.D * (2 * tokens * kQueryHeads + 2.0 * prompt.context * kKvHeads),
          .flops = 4.0 * prompt.D * kQueryHeads * pairs,
          .prepare = [prompt](DeviceSet& set) { return Prepare(prompt, set); }};
}

Case GemmCase(const char* name, int64_t M, int64_t N, int64_t K) {
  return {.op = "wgmma_gemm",
          .shape = "M " + std::to_string(M) + " N " + std::to_string(N) + " K " +
                   std::to_string(K) + " " + name,
          .bytes = 2.0 * static_cast<double>(M * K + N * K + M * N),
          .flops = 2.0 * static_cast<double>(M * N) * static_cast<double>(K),
          .prepare = [M, N, K](DeviceSet& set) {
            const WgmmaGemmParams p{.a = set.BFloat16s(M * K),
                                    .b = set.BFloat16s(N * K),
                                    .c = set.Bytes(M * N * 2),
                                    .M = M,
                                    .N = N,
                                    .K = K,
                                    .a_stride = K,
                                    .b_stride = K,
                                    .c_stride = N};
            return [p](Stream& stream) { WgmmaGemm(p, stream); };
          }};
}

}  // namespace

std::vector<Case> PrefillCases() {
  std::vector<Case> cases;
  for (const int32_t tokens : {4096, 8192, 16384}) {
    for (const int32_t P : {16, 64}) cases.push_back(PrefillCase({tokens, tokens, P}));
  }
  for (const int32_t D : {64, 256}) cases.push_back(PrefillCase({8192, 8192, 16, D}));
  // The least that a chunk is this kernel's for.
  cases.push_back(PrefillCase({64, 64}));
  for (const int32_t tokens : {512, 1024}) {
    cases.push_back(PrefillCase({tokens, tokens}));
    cases.push_back(PrefillCase({tokens, 8192}));
  }
  // Llama-3.1-8B's matrices.
  for (const int64_t M : {512, 4096}) {
    cases.push_back(GemmCase("qkv", M, 6144, 4096));
    cases.push_back(GemmCase("o", M, 4096, 4096));
    cases.push_back(GemmCase("gate_up", M, 28672, 4096));
    cases.push_back(GemmCase("down", M, 4096, 14336));
  }
  return cases;
}

}  // namespace baton::bench
