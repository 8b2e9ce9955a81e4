#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "baton/base/units.h"
#include "baton/kernels/cuda_ops.h"
#include "measure.h"

/// Paged attention: decodes are bound by the memory of K and V, prompts by products.
namespace baton::bench {
namespace {

using device::Stream;
using kernels::CudaOps;

/// As Llama-3-8B has it.
constexpr int32_t kHeads = 32;
constexpr int32_t kKvHeads = 8;

/// `sequences` of `kv_tokens` positions each, the last `tokens` of them in this step.
struct Step {
  int32_t sequences = 1;
  int32_t tokens = 1;
  int32_t kv_tokens = 1;
  int32_t D = 128;
  int32_t P = 16;
  int32_t window = 0;
};

ops::PlanShape ShapeOf(const Step& step) {
  return {.H = kHeads,
          .G = kKvHeads,
          .D = step.D,
          .P = step.P,
          .step_tokens = step.sequences * step.tokens,
          .sequences = step.sequences,
          .context_tokens = step.kv_tokens};
}

std::vector<int32_t> PlanOf(const ops::PlanShape& shape, const ops::PagedBatch& batch) {
  std::vector<std::byte> bytes(CudaOps().plan_bytes(shape));
  CudaOps().plan(batch, shape, bytes.data());
  std::vector<int32_t> words(CeilDiv(bytes.size(), sizeof(int32_t)));
  std::memcpy(words.data(), bytes.data(), bytes.size());
  return words;
}

std::function<void(Stream&)> Prepare(const Step& step, DeviceSet& set) {
  const int32_t blocks = CeilDiv(step.kv_tokens, step.P);
  std::vector<int32_t> begin = {0}, kv_tokens, tables;
  for (int32_t s = 0; s < step.sequences; ++s) {
    begin.push_back(begin.back() + step.tokens);
    kv_tokens.push_back(step.kv_tokens);
    // A sequence's blocks lie apart, as they do in a pool that was in use for a while.
    for (int32_t b = 0; b < blocks; ++b) tables.push_back(b * step.sequences + s);
  }
  ops::PagedBatch batch{.query_begin = begin.data(),
                        .kv_tokens = kv_tokens.data(),
                        .block_tables = tables.data(),
                        .table_stride = blocks,
                        .S = step.sequences,
                        .T = begin.back()};
  const ops::PlanShape shape = ShapeOf(step);
  batch.plan = reinterpret_cast<const std::byte*>(set.Ints(PlanOf(shape, batch)));
  batch.scratch = set.Bytes(static_cast<int64_t>(CudaOps().attention_scratch_bytes(shape)));
  batch.query_begin = set.Ints(begin);
  batch.kv_tokens = set.Ints(kv_tokens);
  batch.block_tables = set.Ints(tables);
  const int64_t plane = int64_t{kKvHeads} * step.P * step.D;
  const int64_t width = int64_t{kHeads} * step.D;
  const ops::PagedAttentionParams p{.q = set.BFloat16s(batch.T * width),
                                    .y = set.BFloat16s(batch.T * width),
                                    .activation = DType::kBFloat16,
                                    .q_stride = width,
                                    .H = kHeads,
                                    .scale = 1.0f / std::sqrt(static_cast<float>(step.D)),
                                    .window = step.window,
                                    .batch = batch,
                                    .kv = {.base = reinterpret_cast<std::byte*>(
                                               set.BFloat16s(2 * plane * blocks * step.sequences)),
                                           .block_stride = 4 * plane,
                                           .v_offset = 2 * plane,
                                           .dtype = DType::kBFloat16,
                                           .G = kKvHeads,
                                           .P = step.P,
                                           .D = step.D}};
  return [p](Stream& stream) { CudaOps().paged_attention(p, stream); };
}

/// Of a row, on average. A window is meant for decodes, which all see it whole.
double SeenBy(const Step& step) {
  return step.window > 0 ? std::min(step.window, step.kv_tokens)
                         : step.kv_tokens - (step.tokens - 1) / 2.0;
}

Case AttentionCase(const char* op, const Step& step) {
  const double rows = double{1} * step.sequences * step.tokens;
  const double read = step.window > 0 ? SeenBy(step) : step.kv_tokens;
  std::string shape = "S " + std::to_string(step.sequences) + " T " + std::to_string(step.tokens) +
                      " kv " + std::to_string(step.kv_tokens) + " H 32/8 D " +
                      std::to_string(step.D);
  if (step.P != 16) shape += " P " + std::to_string(step.P);
  if (step.window > 0) shape += " window " + std::to_string(step.window);
  return {.op = op,
          .shape = shape,
          .bytes = 4.0 * step.sequences * read * kKvHeads * step.D + 4.0 * rows * kHeads * step.D,
          .flops = 4.0 * rows * SeenBy(step) * kHeads * step.D,
          .prepare = [step](DeviceSet& set) { return Prepare(step, set); }};
}

}  // namespace

std::vector<Case> AttentionCases() {
  std::vector<Case> cases;
  for (const int32_t kv_tokens : {1024, 4096}) {
    for (const int32_t sequences : {1, 16, 64, 128}) {
      cases.push_back(AttentionCase("attention, decode", {sequences, 1, kv_tokens}));
    }
  }
  for (const int32_t D : {64, 96, 256}) {
    cases.push_back(AttentionCase("attention, decode", {64, 1, 4096, D}));
  }
  for (const int32_t P : {32, 64}) {
    cases.push_back(AttentionCase("attention, decode", {64, 1, 4096, 128, P}));
  }
  cases.push_back(AttentionCase("attention, decode", {64, 1, 4096, 128, 16, 1024}));
  for (const int32_t tokens : {4096, 8192, 16384}) {
    cases.push_back(AttentionCase("attention, prompt", {1, tokens, tokens}));
  }
  for (const int32_t tokens : {512, 1024}) {
    cases.push_back(AttentionCase("attention, chunk", {1, tokens, 8192}));
  }
  return cases;
}

}  // namespace baton::bench
