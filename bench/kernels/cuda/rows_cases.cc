#include <numeric>

#include "baton/kernels/cuda_ops.h"
#include "measure.h"

/// Operations that a model does row by row: all bound by memory.
namespace baton::bench {
namespace {

using device::Stream;
using kernels::CudaOps;

constexpr int64_t kRows[] = {1, 64, 4096};

std::string Shape(const char* letter, int64_t rows, int64_t width) {
  return "T " + std::to_string(rows) + " " + letter + " " + std::to_string(width);
}

Case EmbeddingCase(int64_t T) {
  constexpr int64_t E = 4096;
  constexpr int64_t V = 2048;
  return {.op = "embedding",
          .shape = Shape("E", T, E),
          .bytes = static_cast<double>(T * E * 6),
          .prepare = [T](DeviceSet& set) {
            std::vector<int32_t> tokens(static_cast<size_t>(T));
            for (size_t i = 0; i < tokens.size(); ++i) {
              tokens[i] = static_cast<int32_t>(i * 7919 % V);
            }
            const ops::EmbeddingParams p{.tokens = set.Ints(tokens),
                                         .table = set.BFloat16s(V * E),
                                         .y = set.Floats(T * E),
                                         .T = T,
                                         .V = V,
                                         .E = E};
            return [p](Stream& stream) { CudaOps().embedding(p, stream); };
          }};
}

Case NormCase(int64_t T, int64_t E) {
  return {.op = "rms_norm + residual",
          .shape = Shape("E", T, E),
          .bytes = static_cast<double>(T * E * 12),
          .prepare = [T, E](DeviceSet& set) {
            const ops::RmsNormParams p{.residual = set.Floats(T * E),
                                       .x = set.BFloat16s(T * E),
                                       .w = set.BFloat16s(E),
                                       .y = set.BFloat16s(T * E),
                                       .activation = DType::kBFloat16,
                                       .T = T,
                                       .E = E};
            return [p](Stream& stream) { CudaOps().rms_norm(p, stream); };
          }};
}

Case HeadNormCase(int64_t T) {
  constexpr int64_t H = 32;
  constexpr int64_t D = 128;
  return {.op = "rms_norm of heads",
          .shape = Shape("H*D 32 *", T, D),
          .bytes = static_cast<double>(T * H * D * 4),
          .prepare = [T](DeviceSet& set) {
            BFloat16* x = set.BFloat16s(T * H * D);
            const ops::RmsNormParams p{.x = x,
                                       .w = set.BFloat16s(D),
                                       .y = x,
                                       .activation = DType::kBFloat16,
                                       .T = T * H,
                                       .E = D};
            return [p](Stream& stream) { CudaOps().rms_norm(p, stream); };
          }};
}

Case RopeCase(int32_t T) {
  constexpr int32_t H = 32;
  constexpr int32_t G = 8;
  constexpr int32_t D = 128;
  constexpr int32_t P = 16;
  const int64_t plane = int64_t{G} * P * D;
  return {.op = "rope_kv_write",
          .shape = "T " + std::to_string(T) + " H 32 G 8 D 128",
          .bytes = 2.0 * T * D * (2 * H + 2 * G + G + 2 * G),
          .prepare = [T, plane](DeviceSet& set) {
            const int32_t blocks = (T + P - 1) / P;
            std::vector<int32_t> table(static_cast<size_t>(blocks));
            std::iota(table.rbegin(), table.rend(), 0);
            const ops::RopeKvWriteParams p{.q = set.BFloat16s(int64_t{T} * H * D),
                                           .k = set.BFloat16s(int64_t{T} * G * D),
                                           .v = set.BFloat16s(int64_t{T} * G * D),
                                           .activation = DType::kBFloat16,
                                           .q_stride = H * D,
                                           .kv_stride = G * D,
                                           .inv_freq = set.Floats(D / 2),
                                           .H = H,
                                           .R = D,
                                           .batch = {.query_begin = set.Ints({0, T}),
                                                     .kv_tokens = set.Ints({T}),
                                                     .block_tables = set.Ints(table),
                                                     .table_stride = blocks,
                                                     .S = 1,
                                                     .T = T},
                                           .kv = {.base = set.Bytes(blocks * 2 * plane * 2),
                                                  .block_stride = 2 * plane * 2,
                                                  .v_offset = plane * 2,
                                                  .G = G,
                                                  .P = P,
                                                  .D = D}};
            return [p](Stream& stream) { CudaOps().rope_kv_write(p, stream); };
          }};
}

using Gate = void (*ops::Ops::*)(const ops::GatedActivationParams&, Stream&);

Case GateCase(const char* op, Gate entry, int64_t T) {
  constexpr int64_t F = 14336;
  return {.op = op,
          .shape = Shape("F", T, F),
          .bytes = static_cast<double>(T * F * 6),
          .prepare = [T, entry](DeviceSet& set) {
            BFloat16* gate_up = set.BFloat16s(T * 2 * F);
            const ops::GatedActivationParams p{.gate = gate_up,
                                               .up = gate_up + F,
                                               .y = set.BFloat16s(T * F),
                                               .activation = DType::kBFloat16,
                                               .T = T,
                                               .F = F,
                                               .in_stride = 2 * F,
                                               .y_stride = F};
            return [p, entry](Stream& stream) { (CudaOps().*entry)(p, stream); };
          }};
}

Case SoftCapCase(int64_t T) {
  constexpr int64_t V = 131072;
  return {.op = "soft_cap",
          .shape = Shape("V", T, V),
          .bytes = static_cast<double>(T * V * 8),
          .prepare = [T](DeviceSet& set) {
            const ops::SoftCapParams p{.x = set.Floats(T * V), .cap = 30, .T = T, .F = V};
            return [p](Stream& stream) { CudaOps().soft_cap(p, stream); };
          }};
}

/// Of a chunk's rows the last of each sequence, whose logits are wanted.
Case LastRowsCase(int32_t sequences) {
  constexpr int64_t kRowBytes = 4096 * 2;
  constexpr int32_t kChunk = 64;
  return {.op = "gather_rows",
          .shape = std::to_string(sequences) + " of " + std::to_string(sequences * kChunk) +
                   " rows of 4096",
          .bytes = 2.0 * sequences * kRowBytes,
          .prepare = [sequences](DeviceSet& set) {
            std::vector<int32_t> rows(static_cast<size_t>(sequences));
            for (int32_t i = 0; i < sequences; ++i) rows[static_cast<size_t>(i)] = i * kChunk + 63;
            const ops::GatherRowsParams p{.x = set.Bytes(sequences * kChunk * kRowBytes),
                                          .rows = set.Ints(rows),
                                          .y = set.Bytes(sequences * kRowBytes),
                                          .T = sequences,
                                          .row_bytes = kRowBytes};
            return [p](Stream& stream) { CudaOps().gather_rows(p, stream); };
          }};
}

/// Of each of 64 blocks of 32 layers with 8 heads of 128 and 16 tokens, 2 MiB, what a hand-off
/// copies at once.
struct Slice {
  const char* what;
  int64_t offset;
  int64_t run_bytes;
  int64_t run_stride;
  int32_t runs;
};

constexpr int64_t kBlockBytes = int64_t{2} << 20;
constexpr int64_t kPlaneBytes = kBlockBytes / 64;  // K or V of a layer.
constexpr Slice kSlices[] = {
    {"whole", 0, kBlockBytes, 0, 1},
    {"a quarter of the layers", kBlockBytes / 4, kBlockBytes / 4, 0, 1},
    {"half of the heads of every layer", kPlaneBytes / 2, kPlaneBytes / 2, kPlaneBytes, 64},
    {"a head of every layer", kPlaneBytes / 8, kPlaneBytes / 8, kPlaneBytes, 64},
};

using CopyKv = void (*ops::Ops::*)(const ops::KvRunsParams&, Stream&);

Case KvCase(const char* op, CopyKv entry, const Slice& slice) {
  constexpr int32_t kBlocks = 64;
  const int64_t bytes = kBlocks * slice.runs * slice.run_bytes;
  return {.op = op,
          .shape = std::string("64 blocks of 2 MiB, ") + slice.what,
          .bytes = 2.0 * static_cast<double>(bytes),
          .prepare = [entry, slice, bytes](DeviceSet& set) {
            std::vector<int32_t> blocks(kBlocks);
            for (int32_t i = 0; i < kBlocks; ++i) blocks[static_cast<size_t>(i)] = i * 29 % kBlocks;
            const ops::KvRunsParams p{.cache = set.Bytes(kBlocks * kBlockBytes),
                                      .buffer = set.Bytes(bytes),
                                      .blocks = set.Ints(blocks),
                                      .block_stride = kBlockBytes,
                                      .offset = slice.offset,
                                      .run_bytes = slice.run_bytes,
                                      .run_stride = slice.run_stride,
                                      .runs = slice.runs,
                                      .B = kBlocks};
            return [p, entry](Stream& stream) { (CudaOps().*entry)(p, stream); };
          }};
}

}  // namespace

std::vector<Case> RowCases() {
  std::vector<Case> cases;
  for (const int64_t T : kRows) {
    cases.push_back(EmbeddingCase(T));
    cases.push_back(NormCase(T, 4096));
    cases.push_back(NormCase(T, 8192));
    cases.push_back(HeadNormCase(T));
    cases.push_back(RopeCase(static_cast<int32_t>(T)));
    cases.push_back(GateCase("silu_mul", &ops::Ops::silu_mul, T));
    cases.push_back(GateCase("gelu_mul", &ops::Ops::gelu_mul, T));
  }
  cases.push_back(SoftCapCase(64));
  for (const int32_t sequences : {1, 64}) cases.push_back(LastRowsCase(sequences));
  for (const Slice& slice : kSlices) {
    cases.push_back(KvCase("gather_kv", &ops::Ops::gather_kv, slice));
    cases.push_back(KvCase("scatter_kv", &ops::Ops::scatter_kv, slice));
  }
  return cases;
}

}  // namespace baton::bench
