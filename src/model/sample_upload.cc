#include "sample_upload.h"

#include <vector>

#include "baton/base/check.h"
#include "baton/base/units.h"

namespace baton::model {
namespace {

constexpr size_t kMaskBits = 32;

/// Which lists of a row are read at all.
bool ReadsPrompt(const ops::SampleRow& row) { return row.repetition_penalty != 1.0f; }
bool ReadsOutput(const ops::SampleRow& row) {
  return ReadsPrompt(row) || row.frequency_penalty != 0 || row.presence_penalty != 0;
}

/// Of rows whose only lists are masks.
size_t PlannedBytes(const ops::Ops& ops, int64_t vocabulary, const SampleUpload::Most& most) {
  static constexpr uint32_t kAnyMask = 0;
  const std::vector<ops::SampleRow> rows(static_cast<size_t>(most.rows),
                                         {.mask = most.masks ? &kAnyMask : nullptr});
  return ops.sample_plan_bytes(rows.data(), most.rows, vocabulary);
}

}  // namespace

int64_t SampleUpload::DeviceBytes(const ops::Ops& ops, int64_t vocabulary, const Most& most) {
  if (ops.plan_sample == nullptr) return 0;
  return static_cast<int64_t>(PlannedBytes(ops, vocabulary, most) +
                              ops.sample_scratch_bytes(most.at_once, vocabulary));
}

Status SampleUpload::AllocateAndWait(const Most& most) {
  if (!plans()) return OkStatus();
  const ops::SampleRow given{.given = 0};
  row_bytes_ = ops_.sample_plan_bytes(&given, 1, vocabulary_);
  BATON_RETURN_IF_ERROR(upload_.ReserveAndWait(PlannedBytes(ops_, vocabulary_, most)));
  BATON_ASSIGN_OR_RETURN(scratch_,
                         memory_.Allocate(ops_.sample_scratch_bytes(most.at_once, vocabulary_)));
  return OkStatus();
}

Status SampleUpload::SendAndMaybeWait(std::span<const ops::SampleRow> rows) {
  const auto R = static_cast<int64_t>(rows.size());
  const size_t bytes =
      plans() ? ops_.sample_plan_bytes(rows.data(), R, vocabulary_) : CopiedBytes(rows);
  BATON_RETURN_IF_ERROR(upload_.ReserveAndWait(bytes));
  plans() ? Plan(rows) : Copy(rows);
  return OkStatus();
}

ops::SampleParams SampleUpload::Params(int64_t begin, int64_t count) const {
  ops::SampleParams params{.R = count, .V = vocabulary_};
  if (!plans()) {
    params.rows = rows_ + begin;
    return params;
  }
  params.plan = upload_.device() + static_cast<size_t>(begin) * row_bytes_;
  params.scratch = scratch_.get();
  params.stages = stages_;
  return params;
}

void SampleUpload::Plan(std::span<const ops::SampleRow> rows) {
  const ops::SamplePlan plan = ops_.plan_sample(rows.data(), static_cast<int64_t>(rows.size()),
                                                vocabulary_, upload_.HostAndWait());
  BATON_CHECK(plan.bytes <= upload_.capacity());
  stages_ = plan.stages;
  upload_.Send(plan.bytes);
}

void SampleUpload::Copy(std::span<const ops::SampleRow> rows) {
  StepPacker packer(upload_.HostAndWait(), upload_);
  ops::SampleRow* copied = packer.Make(rows.size(), rows_);
  for (size_t i = 0; i < rows.size(); ++i) {
    copied[i] = rows[i];
    CopyLists(packer, copied[i]);
  }
  upload_.Send(packer.used());
}

size_t SampleUpload::CopiedBytes(std::span<const ops::SampleRow> rows) const {
  size_t bytes = StepPacker::BytesOf<ops::SampleRow>(rows.size());
  for (const ops::SampleRow& row : rows) {
    if (ReadsPrompt(row))
      bytes += StepPacker::BytesOf<TokenId>(static_cast<size_t>(row.prompt_tokens));
    if (ReadsOutput(row))
      bytes += StepPacker::BytesOf<TokenId>(static_cast<size_t>(row.output_tokens));
    bytes += StepPacker::BytesOf<ops::TokenBias>(static_cast<size_t>(row.biased_tokens));
    bytes += StepPacker::BytesOf<TokenId>(static_cast<size_t>(row.banned_tokens));
    if (row.mask != nullptr) {
      bytes += StepPacker::BytesOf<uint32_t>(CeilDiv(static_cast<size_t>(vocabulary_), kMaskBits));
    }
  }
  return bytes;
}

void SampleUpload::CopyLists(StepPacker& packer, ops::SampleRow& row) const {
  const auto put = [&](auto*& list, int64_t& count, bool read) {
    if (!read) count = 0;
    list = count == 0 ? nullptr : packer.Put(list, static_cast<size_t>(count));
  };
  put(row.prompt, row.prompt_tokens, ReadsPrompt(row));
  put(row.output, row.output_tokens, ReadsOutput(row));
  put(row.biases, row.biased_tokens, true);
  put(row.banned, row.banned_tokens, true);
  if (row.mask == nullptr) return;
  row.mask = packer.Put(row.mask, CeilDiv(static_cast<size_t>(vocabulary_), kMaskBits));
}

}  // namespace baton::model
