#include "baton/model/rank_runner.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "baton/base/check.h"
#include "baton/base/units.h"
#include "replay_sizes.h"
#include "sample_upload.h"
#include "step_upload.h"

namespace baton::model {
namespace {

using ops::SampledToken;

/// Where sampled tokens lie, on the device and in pinned memory alike; in tokens.
struct SampledLayout {
  explicit SampledLayout(const StepLimits& limits)
      : top(static_cast<size_t>(limits.top_logprobs)),
        drawn_top(static_cast<size_t>(limits.sequences)),
        scored(drawn_top * (1 + top)),
        scored_top(scored + static_cast<size_t>(limits.step_tokens)),
        size(scored_top + static_cast<size_t>(limits.step_tokens) * top) {}

  size_t top;
  size_t drawn_top;
  size_t scored;
  size_t scored_top;
  size_t size;
};

class Runner final : public RankRunner {
 public:
  Runner(const Parts& parts, const StepLimits& limits, Workspace workspace)
      : model_(parts.model),
        config_(parts.model.config()),
        cache_(parts.cache),
        ops_(parts.ops),
        stream_(parts.stream),
        communicator_(parts.communicator),
        limits_(limits),
        workspace_(std::move(workspace)),
        layout_(limits),
        replay_sizes_(
            parts.model.shard().ranks == 1 ? std::min(parts.replayed_rows, limits.sequences) : 0,
            TableBlocks(), block_tokens()),
        batch_upload_(parts.memory, parts.stream,
                      StepPacker::BytesOf<TokenId>(static_cast<size_t>(limits.sequences))),
        scored_(parts.ops, parts.memory, parts.stream, config_.vocabulary),
        drawn_(parts.ops, parts.memory, parts.stream, config_.vocabulary) {
    const kv::KvGeometry& geometry = cache_.geometry();
    plan_shape_ = {.H = model_.shard().query_heads,
                   .G = geometry.rank_kv_heads(),
                   .D = config_.head_dim,
                   .P = geometry.block_tokens,
                   .step_tokens = limits.step_tokens,
                   .sequences = limits.sequences,
                   .context_tokens = limits.context_tokens};
    plan_bytes_ = ops_.plan_bytes == nullptr ? 0 : ops_.plan_bytes(plan_shape_);
  }

  Status Allocate(device::DeviceMemory& memory);

  const StepLimits& limits() const override { return limits_; }
  int32_t blocks() const override { return cache_.blocks(); }
  int32_t block_tokens() const override { return cache_.geometry().block_tokens; }
  bool asynchronous() const override { return stream_.asynchronous(); }
  /// Ranks but the first draw nothing.
  bool takes_drawn() const override { return model_.shard().ranks == 1; }

  void Begin(const StepInput& input, OnLayers on_layers) override;
  void Draw(std::span<const ops::SampleRow> rows) override;
  void Poll() override;
  Result<StepOutput> FinishAndWait() override;
  Status RecordAndWait(const OnRecorded& on_recorded) override;

 private:
  struct LayersWritten {
    uint64_t mark = 0;
    int32_t begin = 0;
    int32_t end = 0;
  };
  /// A step that was begun.
  struct Step {
    OnLayers on_layers;
    std::vector<LayersWritten> written;
    size_t announced = 0;
    uint64_t done = 0;
    size_t drawn = 0;
    size_t scored = 0;
    device::Allocation sampled;  ///< Pinned.
  };

  Step& At(uint64_t step) { return steps_[step % steps_.size()]; }
  /// From here on every step fails; no other rank waits for this one.
  void Fail(Status status) {
    failed_ = std::move(status);
    if (communicator_ != nullptr) communicator_->Abort(failed_);
  }
  /// Takes note of a device that is sick, ours or another rank's.
  void CheckDevices() {
    if (failed_.ok() && !stream_.status().ok()) Fail(stream_.status());
    if (failed_.ok() && communicator_ != nullptr) failed_ = communicator_->status();
  }
  StepBatch Upload(const StepInput& input);
  /// Where tokens come to lie as the last draw gives them.
  TokenId* DrawnTokens() const { return reinterpret_cast<TokenId*>(batch_upload_.head()); }
  /// For each row, where its token is: counted from the drawn ones, behind which the given ones
  /// are.
  const int32_t* PackTokenRows(const StepInput& input, size_t rows, StepPacker& packer) const;
  /// The size under which the step is repeated; none: it is not.
  std::optional<ReplaySize> ReplaySizeOf(const StepInput& input, const Step& step) const;
  /// Of that size, at addresses that follow from it. Its tokens are at TokensOfStep() once they are
  /// gathered by `token_rows`.
  StepBatch UploadPadded(const StepInput& input, ReplaySize size, const int32_t*& token_rows);
  /// Enqueues a step of nothing but decodes.
  void Replay(const StepInput& input, ReplaySize size);
  void GatherTokens(const int32_t* token_rows, int64_t rows);
  /// Where gathered tokens are.
  TokenId* TokensOfStep() const { return reinterpret_cast<TokenId*>(tokens_.get()); }
  Place ThePlace() {
    return {.cache = cache_,
            .workspace = workspace_,
            .ops = ops_,
            .stream = stream_,
            .communicator = communicator_};
  }
  /// Most blocks of a sequence.
  int32_t TableBlocks() const {
    return std::min(CeilDiv(limits_.context_tokens, block_tokens()), cache_.blocks());
  }
  void PackKeptRows(const StepInput& input, StepPacker& packer, StepBatch& batch) const;
  void Announce(Step& step);
  size_t BatchBytes() const;
  SampledToken* Sampled(const device::Allocation& of) const {
    return reinterpret_cast<SampledToken*>(of.get());
  }
  /// Enqueues the copy of `count` sampled tokens to the host.
  void Download(Step& step, size_t begin, size_t count) {
    stream_.ToHost(Sampled(step.sampled) + begin, Sampled(sampled_) + begin,
                   count * sizeof(SampledToken));
  }

  const Model& model_;
  const ModelConfig& config_;
  kv::KvCache& cache_;
  const ops::Ops& ops_;
  device::Stream& stream_;
  collective::Communicator* const communicator_;
  const StepLimits limits_;
  Workspace workspace_;
  const SampledLayout layout_;
  const ReplaySizes replay_sizes_;
  ops::PlanShape plan_shape_;
  size_t plan_bytes_ = 0;
  device::Allocation attention_scratch_;
  /// The tokens that were drawn last, then what a step reads, the tokens that were given first.
  StepUpload batch_upload_;
  /// Those that a step has, where some were drawn.
  device::Allocation tokens_;
  SampleUpload scored_;
  SampleUpload drawn_;
  device::Allocation sampled_;
  /// Logits of the step that was begun last; null once they are drawn from.
  float* logits_ = nullptr;
  /// Where those of repeated steps are.
  float* replayed_logits_ = nullptr;
  std::array<Step, kMostUnderWay> steps_;
  uint64_t begun_ = 0;
  uint64_t finished_ = 0;
  Status failed_;
};

size_t Runner::BatchBytes() const {
  const auto T = static_cast<size_t>(limits_.step_tokens);
  const auto S = static_cast<size_t>(limits_.sequences);
  const auto table = static_cast<size_t>(TableBlocks());
  return StepPacker::BytesOf<TokenId>(T) + StepPacker::BytesOf<int32_t>(S + 1) +
         StepPacker::BytesOf<int32_t>(S) + 3 * StepPacker::BytesOf<int32_t>(T) +
         StepPacker::BytesOf<int32_t>(S) + StepPacker::BytesOf<std::byte>(plan_bytes_) +
         StepPacker::BytesOf<int32_t>(S * table);
}

Status Runner::Allocate(device::DeviceMemory& memory) {
  BATON_RETURN_IF_ERROR(batch_upload_.ReserveAndWait(BatchBytes()));
  BATON_RETURN_IF_ERROR(scored_.Allocate(limits_.sequences));
  BATON_RETURN_IF_ERROR(drawn_.Allocate(limits_.sequences));
  if (ops_.attention_scratch_bytes != nullptr) {
    BATON_ASSIGN_OR_RETURN(attention_scratch_,
                           memory.Allocate(ops_.attention_scratch_bytes(plan_shape_)));
  }
  BATON_ASSIGN_OR_RETURN(
      tokens_, memory.Allocate(static_cast<size_t>(limits_.step_tokens) * sizeof(TokenId)));
  const size_t bytes = layout_.size * sizeof(SampledToken);
  BATON_ASSIGN_OR_RETURN(sampled_, memory.Allocate(bytes));
  for (Step& step : steps_) {
    BATON_ASSIGN_OR_RETURN(step.sampled, memory.AllocatePinned(bytes));
    step.written.reserve(static_cast<size_t>(config_.layers));
  }
  return OkStatus();
}

StepBatch Runner::Upload(const StepInput& input) {
  StepPacker packer(batch_upload_.HostAndWait(), batch_upload_);
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
  batch_upload_.Send(packer.used());
  if (token_rows == nullptr) return batch;
  batch.tokens = TokensOfStep();
  GatherTokens(token_rows, host.T);
  return batch;
}

const int32_t* Runner::PackTokenRows(const StepInput& input, size_t rows,
                                     StepPacker& packer) const {
  const int32_t* device = nullptr;
  int32_t* from = packer.Make(rows, device);
  const size_t given = StepPacker::BytesOf<TokenId>(static_cast<size_t>(limits_.sequences));
  std::iota(from, from + rows, static_cast<int32_t>(given / sizeof(TokenId)));
  for (const DrawnToken& token : input.drawn) from[token.row] = token.draw;
  return device;
}

void Runner::GatherTokens(const int32_t* token_rows, int64_t rows) {
  ops_.gather_rows({.x = DrawnTokens(),
                    .rows = token_rows,
                    .y = TokensOfStep(),
                    .T = rows,
                    .row_bytes = sizeof(TokenId)},
                   stream_);
}

std::optional<ReplaySize> Runner::ReplaySizeOf(const StepInput& input, const Step& step) const {
  const auto S = static_cast<size_t>(input.sequences.S);
  const bool decodes = input.tokens.size() == S && input.logit_rows.size() == S;
  if (!stream_.replays() || !decodes || step.on_layers || step.scored > 0) return std::nullopt;
  return replay_sizes_.For(input.sequences.S, static_cast<int32_t>(input.sequences.table_stride));
}

StepBatch Runner::UploadPadded(const StepInput& input, ReplaySize size,
                               const int32_t*& token_rows) {
  StepPacker packer(batch_upload_.HostAndWait(), batch_upload_);
  const ops::PagedBatch& given = input.sequences;
  const auto S = static_cast<size_t>(given.S);
  const auto rows = static_cast<size_t>(size.rows);
  StepBatch batch{.tokens = TokensOfStep(), .logits = {.count = size.rows}};
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
  token_rows = PackTokenRows(input, rows, packer);
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
  batch_upload_.Send(packer.used());
  return batch;
}

void Runner::Replay(const StepInput& input, ReplaySize size) {
  const int32_t* token_rows = nullptr;
  const StepBatch batch = UploadPadded(input, size, token_rows);
  stream_.Replay(size.key(), [&] {
    GatherTokens(token_rows, size.rows);
    replayed_logits_ = model_.Forward(batch, ThePlace());
  });
  logits_ = replayed_logits_;
}

Status Runner::RecordAndWait(const OnRecorded& on_recorded) {
  BATON_CHECK(begun_ == finished_);
  if (!stream_.replays()) return OkStatus();
  const std::vector<ReplaySize> sizes = replay_sizes_.All();
  int32_t done = 0;
  for (const ReplaySize size : sizes) {
    for (int i = 0; i < 2; ++i) Replay({}, size);
    stream_.SynchronizeAndWait();
    logits_ = nullptr;
    if (on_recorded) on_recorded(++done, static_cast<int32_t>(sizes.size()));
  }
  return stream_.status();
}

void Runner::PackKeptRows(const StepInput& input, StepPacker& packer, StepBatch& batch) const {
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

void Runner::Begin(const StepInput& input, OnLayers on_layers) {
  BATON_CHECK(begun_ - finished_ < steps_.size() && logits_ == nullptr);
  BATON_CHECK(input.scored.size() == input.scored_rows.size());
  BATON_CHECK(input.drawn.empty() || takes_drawn());
  Step& step = At(begun_++);
  step.on_layers = std::move(on_layers);
  step.written.clear();
  step.announced = 0;
  step.drawn = 0;
  step.scored = input.scored.size();
  if (const auto size = ReplaySizeOf(input, step)) {
    Replay(input, *size);
    step.done = stream_.Mark();
    return;
  }
  const StepBatch batch = Upload(input);
  if (step.scored > 0) {
    if (Status status = scored_.SendAndMaybeWait(input.scored); !status.ok()) {
      Fail(std::move(status));
      return;
    }
  }
  Model::OnLayers written;
  if (step.on_layers) {
    written = [&](int32_t begin, int32_t end) {
      step.written.push_back({.mark = stream_.Mark(), .begin = begin, .end = end});
      Poll();
    };
  }
  logits_ =
      model_.Forward(batch, ThePlace(), written, [&](float* logits, int64_t begin, int64_t count) {
        const auto first = static_cast<size_t>(begin);
        ops::SampleParams params = scored_.Params(begin, count);
        params.logits = logits;
        params.out = Sampled(sampled_) + layout_.scored + first;
        params.top = Sampled(sampled_) + layout_.scored_top + first * layout_.top;
        params.top_stride = limits_.top_logprobs;
        ops_.sample(params, stream_);
      });
  if (step.scored > 0) {
    Download(step, layout_.scored, step.scored);
    Download(step, layout_.scored_top, step.scored * layout_.top);
  }
  step.done = stream_.Mark();
}

void Runner::Draw(std::span<const ops::SampleRow> rows) {
  if (!failed_.ok()) return;
  BATON_CHECK(logits_ != nullptr && rows.size() <= static_cast<size_t>(limits_.sequences));
  Step& step = At(begun_ - 1);
  if (Status status = drawn_.SendAndMaybeWait(rows); !status.ok()) {
    Fail(std::move(status));
    return;
  }
  const bool wants_top = std::any_of(rows.begin(), rows.end(),
                                     [](const ops::SampleRow& row) { return row.logprobs > 0; });
  SampledToken* drawn = Sampled(sampled_);
  ops::SampleParams params = drawn_.Params(0, static_cast<int64_t>(rows.size()));
  params.logits = std::exchange(logits_, nullptr);
  params.out = drawn;
  params.top = wants_top ? drawn + layout_.drawn_top : nullptr;
  params.top_stride = limits_.top_logprobs;
  params.tokens = DrawnTokens();
  ops_.sample(params, stream_);
  step.drawn = rows.size();
  Download(step, 0, rows.size());
  if (wants_top) Download(step, layout_.drawn_top, rows.size() * layout_.top);
  step.done = stream_.Mark();
}

void Runner::Poll() {
  for (uint64_t i = finished_; i < begun_; ++i) {
    Step& step = At(i);
    while (step.announced < step.written.size()) {
      if (!stream_.Reached(step.written[step.announced].mark) || !stream_.status().ok()) return;
      Announce(step);
    }
  }
}

void Runner::Announce(Step& step) {
  const LayersWritten& written = step.written[step.announced++];
  step.on_layers(written.begin, written.end);
}

Result<StepOutput> Runner::FinishAndWait() {
  BATON_CHECK(finished_ < begun_);
  Step& step = At(finished_);
  while (failed_.ok() && step.announced < step.written.size()) {
    stream_.ReachAndWait(step.written[step.announced].mark);
    CheckDevices();
    if (failed_.ok()) Announce(step);
  }
  if (failed_.ok()) {
    stream_.ReachAndWait(step.done);
    CheckDevices();
  }
  ++finished_;
  if (!failed_.ok()) {
    logits_ = nullptr;
    return Status(failed_).WithBlast(Blast::kWorker);
  }
  const std::span all(Sampled(step.sampled), layout_.size);
  return StepOutput{.drawn = {.tokens = all.first(step.drawn),
                              .top = all.subspan(layout_.drawn_top, step.drawn * layout_.top)},
                    .scored = {.tokens = all.subspan(layout_.scored, step.scored),
                               .top = all.subspan(layout_.scored_top, step.scored * layout_.top)}};
}

}  // namespace

Result<std::unique_ptr<RankRunner>> RankRunner::Create(const Parts& parts,
                                                       const StepLimits& limits) {
  const kv::KvGeometry& geometry = parts.cache.geometry();
  BATON_RETURN_IF_ERROR(
      kv::CheckCompatible(geometry, parts.model.KvGeometry(geometry.block_tokens, geometry.dtype)));
  BATON_ASSIGN_OR_RETURN(Workspace workspace,
                         Workspace::Create(parts.model.config(), parts.model.shard(), limits,
                                           parts.ops.activation, parts.memory));
  auto runner = std::make_unique<Runner>(parts, limits, std::move(workspace));
  BATON_RETURN_IF_ERROR(runner->Allocate(parts.memory));
  return std::unique_ptr<RankRunner>(std::move(runner));
}

}  // namespace baton::model
