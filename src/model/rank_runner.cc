#include "baton/model/rank_runner.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "batch_upload.h"
#include "baton/base/check.h"
#include "baton/base/units.h"
#include "record_sizes.h"
#include "replay_sizes.h"
#include "sample_upload.h"

namespace baton::model {
namespace {

using ops::SampledToken;

/// Of a layer in a recording, and of what is around the layers: some dozen kernels of some 10 KiB
/// each. A guess, which WorkerCore compares with what recordings took.
constexpr int64_t kRecordedLayerBytes = int64_t{128} << 10;

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

/// Those that are drawn may all be held to a grammar.
SampleUpload::Most DrawnRows(const StepLimits& limits) {
  return {.rows = limits.sequences, .at_once = limits.sequences, .masks = true};
}
SampleUpload::Most ScoredRows(const StepLimits& limits) {
  return {.rows = limits.step_tokens, .at_once = limits.sequences};
}

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
        batch_({.model = parts.model,
                .cache = parts.cache,
                .ops = parts.ops,
                .stream = parts.stream,
                .memory = parts.memory},
               limits),
        replay_sizes_(std::min(parts.replayed_rows, limits.sequences), batch_.table_blocks(),
                      block_tokens()),
        all_sizes_(replay_sizes_.All()),
        scored_(parts.ops, parts.memory, parts.stream, config_.vocabulary),
        drawn_(parts.ops, parts.memory, parts.stream, config_.vocabulary) {}

  /// Recordings point at memory that ends here.
  ~Runner() override { Forget(); }

  Status Allocate(device::DeviceMemory& memory);

  const StepLimits& limits() const override { return limits_; }
  int32_t blocks() const override { return cache_.blocks(); }
  int32_t block_tokens() const override { return cache_.geometry().block_tokens; }
  bool asynchronous() const override { return stream_.asynchronous(); }

  void Begin(const StepInput& input, OnLayers on_layers) override;
  void Draw(std::span<const ops::SampleRow> rows) override;
  void Poll() override;
  Result<StepOutput> FinishAndWait() override;

  Status RecordAndWait(const OnRecorded& on_recorded) override {
    return RecordSizesAndWait(
        {this}, [](const auto& body) { body(0); }, on_recorded);
  }
  int32_t sizes() const override {
    return stream_.records() ? static_cast<int32_t>(all_sizes_.size()) : 0;
  }
  Status TryAndWait(int32_t size) override;
  bool Record(int32_t size) override;
  void Repeat() override { repeats_ = true; }
  void Forget() override {
    repeats_ = false;
    recorded_ = 0;
    stream_.ForgetRecordings();
  }

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
  /// Enqueues that the tokens which the step takes come from rank 0, which drew them.
  void SpreadDrawn(const StepInput& input);
  /// The size under which the step is repeated; none: it is not.
  std::optional<ReplaySize> ReplaySizeOf(const StepInput& input, const Step& step) const;
  ReplaySize SizeOf(int32_t size) const { return all_sizes_[static_cast<size_t>(size)]; }
  /// Enqueues a step of nothing but decodes.
  float* EnqueuePadded(const BatchUpload::Padded& padded, ReplaySize size);
  Place ThePlace() {
    return {.cache = cache_,
            .workspace = workspace_,
            .ops = ops_,
            .stream = stream_,
            .communicator = communicator_};
  }
  void Announce(Step& step);
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
  BatchUpload batch_;
  const ReplaySizes replay_sizes_;
  const std::vector<ReplaySize> all_sizes_;
  int32_t recorded_ = 0;
  bool repeats_ = false;
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

Status Runner::Allocate(device::DeviceMemory& memory) {
  BATON_RETURN_IF_ERROR(batch_.AllocateAndWait());
  BATON_RETURN_IF_ERROR(scored_.AllocateAndWait(ScoredRows(limits_)));
  BATON_RETURN_IF_ERROR(drawn_.AllocateAndWait(DrawnRows(limits_)));
  const size_t bytes = layout_.size * sizeof(SampledToken);
  BATON_ASSIGN_OR_RETURN(sampled_, memory.Allocate(bytes));
  for (Step& step : steps_) {
    BATON_ASSIGN_OR_RETURN(step.sampled, memory.AllocatePinned(bytes));
    step.written.reserve(static_cast<size_t>(config_.layers));
  }
  return OkStatus();
}

void Runner::SpreadDrawn(const StepInput& input) {
  if (input.drawn.empty() || model_.shard().ranks == 1) return;
  const auto last =
      std::max_element(input.drawn.begin(), input.drawn.end(),
                       [](const DrawnToken& a, const DrawnToken& b) { return a.draw < b.draw; });
  communicator_->Broadcast({.x = batch_.drawn_tokens(),
                            .bytes = (last->draw + 1) * static_cast<int64_t>(sizeof(TokenId))},
                           stream_);
}

std::optional<ReplaySize> Runner::ReplaySizeOf(const StepInput& input, const Step& step) const {
  const auto S = static_cast<size_t>(input.sequences.S);
  const bool decodes = input.tokens.size() == S && input.logit_rows.size() == S;
  if (!repeats_ || !decodes || step.on_layers || step.scored > 0) return std::nullopt;
  return replay_sizes_.For(input.sequences.S, static_cast<int32_t>(input.sequences.table_stride));
}

float* Runner::EnqueuePadded(const BatchUpload::Padded& padded, ReplaySize size) {
  batch_.GatherTokens(padded.token_rows, size.rows);
  return model_.Forward(padded.batch, ThePlace());
}

Status Runner::TryAndWait(int32_t size) {
  BATON_CHECK(begun_ == finished_);
  const BatchUpload::Padded padded = batch_.SendPadded({}, SizeOf(size));
  if (size < recorded_) {
    stream_.Replay(SizeOf(size).key());
  } else {
    EnqueuePadded(padded, SizeOf(size));
  }
  stream_.SynchronizeAndWait();
  CheckDevices();
  return failed_;
}

bool Runner::Record(int32_t size) {
  BATON_CHECK(size == recorded_);
  const BatchUpload::Padded padded = batch_.SendPadded({}, SizeOf(size));
  const bool recorded = stream_.Record(
      SizeOf(size).key(), [&] { replayed_logits_ = EnqueuePadded(padded, SizeOf(size)); });
  if (recorded) ++recorded_;
  return recorded;
}

void Runner::Begin(const StepInput& input, OnLayers on_layers) {
  BATON_CHECK(begun_ - finished_ < steps_.size() && logits_ == nullptr);
  BATON_CHECK(input.scored.size() == input.scored_rows.size());
  Step& step = At(begun_++);
  step.on_layers = std::move(on_layers);
  step.written.clear();
  step.announced = 0;
  step.drawn = 0;
  step.scored = input.scored.size();
  SpreadDrawn(input);
  if (const auto size = ReplaySizeOf(input, step)) {
    batch_.SendPadded(input, *size);
    stream_.Replay(size->key());
    logits_ = replayed_logits_;
    step.done = stream_.Mark();
    return;
  }
  const StepBatch batch = batch_.Send(input);
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
  params.tokens = batch_.drawn_tokens();
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

int64_t RankRunner::Bytes(const Plan& plan) {
  const ModelConfig& config = plan.model.config();
  return Workspace::Bytes(config, plan.model.shard(), plan.limits, plan.ops.activation) +
         BatchUpload::DeviceBytes(plan.model, plan.ops, plan.limits, plan.block_tokens) +
         SampleUpload::DeviceBytes(plan.ops, config.vocabulary, ScoredRows(plan.limits)) +
         SampleUpload::DeviceBytes(plan.ops, config.vocabulary, DrawnRows(plan.limits)) +
         static_cast<int64_t>(SampledLayout(plan.limits).size * sizeof(SampledToken));
}

int64_t RankRunner::RecordingBytes(const Plan& plan) {
  const ReplaySizes sizes(std::min(plan.replayed_rows, plan.limits.sequences),
                          CeilDiv(plan.limits.context_tokens, plan.block_tokens),
                          plan.block_tokens);
  const int64_t layers = plan.model.config().layers + 1;
  return static_cast<int64_t>(sizes.All().size()) * layers * kRecordedLayerBytes;
}

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
