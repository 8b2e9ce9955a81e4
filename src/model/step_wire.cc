#include "step_wire.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "baton/base/byte_reader.h"

namespace baton::model {
namespace {

template <typename T>
void AppendArray(std::string& out, const T* values, size_t count) {
  static_assert(std::is_trivially_copyable_v<T>);
  AppendNumber(out, static_cast<uint32_t>(count));
  out.append(reinterpret_cast<const char*>(values), count * sizeof(T));
}

template <typename T>
void AppendArray(std::string& out, std::span<const T> values) {
  AppendArray(out, values.data(), values.size());
}

template <typename T>
std::vector<T> TakeArray(ByteReader& reader) {
  const std::string_view bytes = reader.Take(reader.Number<uint32_t>() * sizeof(T));
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

bool AllBelow(const std::vector<int32_t>& values, int64_t limit) {
  return std::ranges::all_of(values, [&](int32_t value) { return value >= 0 && value < limit; });
}

bool Fits(const SentStep& step, const StepLimits& limits, int32_t blocks) {
  const size_t T = step.tokens.size();
  const size_t S = step.kv_tokens.size();
  const auto within = [](size_t count, int32_t limit) {
    return count <= static_cast<size_t>(limit);
  };
  return within(T, limits.step_tokens) && within(S, limits.sequences) &&
         within(step.logit_rows.size(), limits.sequences) && step.query_begin.size() == S + 1 &&
         step.table_stride >= 0 &&
         step.block_tables.size() == S * static_cast<size_t>(step.table_stride) &&
         step.scored.size() == step.scored_rows.size() && step.query_begin.back() >= 0 &&
         static_cast<size_t>(step.query_begin.back()) == T && AllBelow(step.block_tables, blocks) &&
         AllBelow(step.logit_rows, static_cast<int64_t>(T)) &&
         AllBelow(step.scored_rows, static_cast<int64_t>(T));
}

}  // namespace

StepInput SentStep::Input() const {
  return {.tokens = tokens,
          .drawn = drawn,
          .sequences = {.query_begin = query_begin.data(),
                        .kv_tokens = kv_tokens.data(),
                        .block_tables = block_tables.data(),
                        .table_stride = table_stride,
                        .S = static_cast<int32_t>(kv_tokens.size()),
                        .T = static_cast<int32_t>(tokens.size())},
          .logit_rows = logit_rows,
          .scored_rows = scored_rows,
          .scored = scored,
          .layer_group = layer_group};
}

void EncodeStep(const StepInput& input, bool announced, std::string& out) {
  const ops::PagedBatch& sequences = input.sequences;
  const auto S = static_cast<size_t>(sequences.S);
  out.clear();
  AppendNumber(out, sequences.table_stride);
  AppendNumber(out, input.layer_group);
  AppendNumber(out, static_cast<uint8_t>(announced));
  AppendArray(out, input.tokens);
  AppendArray(out, input.drawn);
  AppendArray(out, sequences.query_begin, S + 1);
  AppendArray(out, sequences.kv_tokens, S);
  AppendArray(out, sequences.block_tables, S * static_cast<size_t>(sequences.table_stride));
  AppendArray(out, input.logit_rows);
  AppendArray(out, input.scored_rows);
  // Rows that are scored have no lists.
  AppendArray(out, input.scored);
}

Result<SentStep> DecodeStep(std::string_view bytes, const StepLimits& limits, int32_t blocks) {
  ByteReader reader{bytes};
  SentStep step;
  step.table_stride = reader.Number<int64_t>();
  step.layer_group = reader.Number<int32_t>();
  step.announced = reader.Number<uint8_t>() != 0;
  step.tokens = TakeArray<TokenId>(reader);
  step.drawn = TakeArray<DrawnToken>(reader);
  step.query_begin = TakeArray<int32_t>(reader);
  step.kv_tokens = TakeArray<int32_t>(reader);
  step.block_tables = TakeArray<int32_t>(reader);
  step.logit_rows = TakeArray<int32_t>(reader);
  step.scored_rows = TakeArray<int32_t>(reader);
  step.scored = TakeArray<ops::SampleRow>(reader);
  if (!reader.AtEnd() || !Fits(step, limits, blocks)) return DataLoss("a step that is none");
  return step;
}

std::string EncodeProgress(const StepProgress& progress) {
  std::string out;
  AppendNumber(out, progress.step);
  AppendNumber(out, progress.written);
  AppendNumber(out, static_cast<uint32_t>(progress.status.code()));
  return out + progress.status.message();
}

Result<StepProgress> DecodeProgress(std::string_view bytes) {
  ByteReader reader{bytes};
  StepProgress progress{.step = reader.Number<uint64_t>(), .written = reader.Number<uint32_t>()};
  const auto code = static_cast<StatusCode>(reader.Number<uint32_t>());
  if (!reader.ok) return DataLoss("a step's progress that is none");
  if (code != StatusCode::kOk) progress.status = Status(code, std::string(reader.rest));
  return progress;
}

}  // namespace baton::model
