#include "batch_upload.h"

#include <algorithm>
#include <numeric>

#include "baton/base/units.h"

namespace baton::model {
namespace {

ops::PlanShape PlanShapeOf(const Model& model, const StepLimits& limits, int32_t block_tokens,
                           int32_t multiprocessors = 0) {
  return {.H = model.shard().query_heads,
          .G = model.shard().kv_heads,
          .D = model.config().head_dim,
          .P = block_tokens,
          .step_tokens = limits.step_tokens,
          .sequences = limits.sequences,
          .context_tokens = limits.context_tokens,
          .multiprocessors = multiprocessors};
}

size_t PlanBytes(const ops::Ops& ops, const ops::PlanShape& shape) {
  return ops.plan_bytes == nullptr ? 0 : ops.plan_bytes(shape);
}

size_t ScratchBytes(const ops::Ops& ops, const ops::PlanShape& shape) {
  return ops.attention_scratch_bytes == nullptr ? 0 : ops.attention_scratch_bytes(shape);
}

/// Of the tokens that were drawn last.
size_t HeadBytes(const StepLimits& limits) {
  return StepPacker::BytesOf<TokenId>(static_cast<size_t>(limits.sequences));
}

/// Of the tokens that a step gathers.
size_t GatheredBytes(const StepLimits& limits) {
  return static_cast<size_t>(limits.step_tokens) * sizeof(TokenId);
}

/// Of what the host sends for the largest step.
size_t SentBytes(const StepLimits& limits, size_t plan_bytes, int32_t table_blocks) {
  const auto T = static_cast<size_t>(limits.step_tokens);
  const auto S = static_cast<size_t>(limits.sequences);
  return StepPacker::BytesOf<TokenId>(T) + StepPacker::BytesOf<int32_t>(S + 1) +
         StepPacker::BytesOf<int32_t>(S) + 3 * StepPacker::BytesOf<int32_t>(T) +
         StepPacker::BytesOf<int32_t>(S) + StepPacker::BytesOf<std::byte>(plan_bytes) +
         StepPacker::BytesOf<int32_t>(S * static_cast<size_t>(table_blocks));
}

}  // namespace

BatchUpload::BatchUpload(const Parts& parts, const StepLimits& limits)
    : ops_(parts.ops),
      stream_(parts.stream),
      memory_(parts.memory),
      limits_(limits),
      table_blocks_(std::min(CeilDiv(limits.context_tokens, parts.cache.geometry().block_tokens),
                             parts.cache.blocks())),
      plan_shape_(PlanShapeOf(parts.model, limits, parts.cache.geometry().block_tokens,
                              parts.stream.multiprocessors())),
      plan_bytes_(PlanBytes(ops_, plan_shape_)),
      upload_(parts.memory, parts.stream, HeadBytes(limits)) {}

int64_t BatchUpload::DeviceBytes(const Model& model, const ops::Ops& ops, const StepLimits& limits,
                                 int32_t block_tokens) {
  const ops::PlanShape shape = PlanShapeOf(model, limits, block_tokens);
  const int32_t table_blocks = CeilDiv(limits.context_tokens, block_tokens);
  return static_cast<int64_t>(HeadBytes(limits) +
                              SentBytes(limits, PlanBytes(ops, shape), table_blocks) +
                              ScratchBytes(ops, shape) + GatheredBytes(limits));
}

Status BatchUpload::AllocateAndWait() {
  BATON_RETURN_IF_ERROR(upload_.ReserveAndWait(SentBytes(limits_, plan_bytes_, table_blocks_)));
  if (const size_t bytes = ScratchBytes(ops_, plan_shape_); bytes > 0) {
    BATON_ASSIGN_OR_RETURN(attention_scratch_, memory_.Allocate(bytes));
  }
  BATON_ASSIGN_OR_RETURN(tokens_, memory_.Allocate(GatheredBytes(limits_)));
  return OkStatus();
}

StepBatch BatchUpload::Send(const StepInput& input) {
  StepPacker packer(upload_.HostAndWait(), upload_);
  const ops::PagedBatch& host = input.sequences;
  const auto S = static_cast<size_t>(host.S);
  StepBatch batch{.sequences = host, .layer_group = input.layer_group};
  batch.tokens = packer.Put(input.tokens.data(), input.tokens.size());
  batch.sequences.query_begin = packer.Put(host.query_begin, S + 1);
  batch.sequences.kv_tokens = packer.Put(host.kv_tokens, S);
  if (plan_bytes_ > 0) {
    std::byte* plan = packer.Make(plan_bytes_, batch.sequences.plan);
    ops_.plan(host, plan_shape_, plan);
  }
  batch.sequences.scratch = attention_scratch_.get();
  PackKeptRows(input, packer, batch);
  batch.sequences.block_tables =
      packer.Put(host.block_tables, S * static_cast<size_t>(host.table_stride));
  const int32_t* token_rows =
      input.drawn.empty() ? nullptr : PackTokenRows(input, input.tokens.size(), packer);
  upload_.Send(packer.used());
  if (token_rows == nullptr) return batch;
  batch.tokens = gathered_tokens();
  GatherTokens(token_rows, host.T);
  return batch;
}

const int32_t* BatchUpload::PackTokenRows(const StepInput& input, size_t rows,
                                          StepPacker& packer) const {
  const int32_t* device = nullptr;
  int32_t* from = packer.Make(rows, device);
  const size_t given = StepPacker::BytesOf<TokenId>(static_cast<size_t>(limits_.sequences));
  std::iota(from, from + rows, static_cast<int32_t>(given / sizeof(TokenId)));
  for (const DrawnToken& token : input.drawn) from[token.row] = token.draw;
  return device;
}

void BatchUpload::GatherTokens(const int32_t* token_rows, int64_t rows) {
  ops_.gather_rows({.x = drawn_tokens(),
                    .rows = token_rows,
                    .y = gathered_tokens(),
                    .T = rows,
                    .row_bytes = sizeof(TokenId)},
                   stream_);
}

BatchUpload::Padded BatchUpload::SendPadded(const StepInput& input, ReplaySize size) {
  StepPacker packer(upload_.HostAndWait(), upload_);
  const ops::PagedBatch& given = input.sequences;
  const auto S = static_cast<size_t>(given.S);
  const auto rows = static_cast<size_t>(size.rows);
  StepBatch batch{.tokens = gathered_tokens(), .logits = {.count = size.rows}};
  batch.sequences = {.scratch = attention_scratch_.get(),
                     .table_stride = size.table_blocks,
                     .S = size.rows,
                     .T = size.rows};
  ops::PagedBatch host = batch.sequences;
  // 1. What is given, then nobody's: tokens 0, and sequences without any.
  const TokenId* uploaded = nullptr;
  TokenId* tokens = packer.Make(rows, uploaded);
  std::fill(std::copy(input.tokens.begin(), input.tokens.end(), tokens), tokens + rows, 0);
  int32_t* query_begin = packer.Make(rows + 1, batch.sequences.query_begin);
  for (size_t s = 0; s <= rows; ++s) query_begin[s] = static_cast<int32_t>(std::min(s, S));
  int32_t* kv_tokens = packer.Make(rows, batch.sequences.kv_tokens);
  std::fill(std::copy_n(given.kv_tokens, S, kv_tokens), kv_tokens + rows, 0);
  const int32_t* token_rows = PackTokenRows(input, rows, packer);
  // 2. Tables at their new stride; nothing reads them beyond a sequence's blocks.
  const auto stride = static_cast<size_t>(size.table_blocks);
  int32_t* tables = packer.Make(rows * stride, batch.sequences.block_tables);
  for (size_t s = 0; s < S; ++s) {
    std::copy_n(given.block_tables + static_cast<int64_t>(s) * given.table_stride,
                given.table_stride, tables + s * stride);
  }
  // 3. The plan of the padded batch.
  host.query_begin = query_begin;
  host.kv_tokens = kv_tokens;
  host.block_tables = tables;
  if (plan_bytes_ > 0) ops_.plan(host, plan_shape_, packer.Make(plan_bytes_, batch.sequences.plan));
  upload_.Send(packer.used());
  return {.batch = batch, .token_rows = token_rows};
}

void BatchUpload::PackKeptRows(const StepInput& input, StepPacker& packer, StepBatch& batch) const {
  const auto& drawn = input.logit_rows;
  const auto& scored = input.scored_rows;
  batch.logits.count = static_cast<int64_t>(drawn.size());
  batch.scored.count = static_cast<int64_t>(scored.size());
  const size_t count = drawn.size() + scored.size();
  if (count == 0) return;
  // Where all rows are kept, each is where it was.
  const bool all = count == input.tokens.size();
  const auto among = [&](const int32_t* kept, std::span<const int32_t> rows, RowList& list) {
    int32_t* at = packer.Make(rows.size(), list.rows);
    for (const int32_t row : rows) {
      *at++ = all ? row : static_cast<int32_t>(std::lower_bound(kept, kept + count, row) - kept);
    }
  };
  int32_t* kept = nullptr;
  if (!all) {
    batch.kept.count = static_cast<int64_t>(count);
    kept = packer.Make(count, batch.kept.rows);
    std::merge(drawn.begin(), drawn.end(), scored.begin(), scored.end(), kept);
  }
  if (scored.empty()) return;
  among(kept, drawn, batch.logits);
  among(kept, scored, batch.scored);
}

}  // namespace baton::model
