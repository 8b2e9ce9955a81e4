#include <algorithm>
#include <iterator>

#include "baton/base/check.h"
#include "baton/model/model.h"

namespace baton::model {
namespace {

size_t Elements(int64_t rows, int64_t columns) { return static_cast<size_t>(rows * columns); }

/// Moves the wanted rows to the front. `rows` ascend, so that no row is overwritten before it
/// moves.
void KeepRows(std::span<const int32_t> rows, int64_t columns, std::vector<float>& matrix) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (static_cast<size_t>(rows[i]) == i) continue;
    std::copy_n(matrix.begin() + rows[i] * columns, columns,
                matrix.begin() + static_cast<int64_t>(i) * columns);
  }
}

}  // namespace

Workspace::Workspace(const ModelConfig& config, int32_t step_tokens, int32_t logit_rows)
    : step_tokens_(step_tokens),
      logit_rows_(logit_rows),
      residual_(Elements(step_tokens, config.hidden)),
      normed_(residual_.size()),
      delta_(residual_.size()),
      q_(Elements(step_tokens, int64_t{config.query_heads} * config.head_dim)),
      k_(Elements(step_tokens, int64_t{config.kv_heads} * config.head_dim)),
      v_(k_.size()),
      attention_(q_.size()),
      gate_(Elements(step_tokens, config.intermediate)),
      up_(gate_.size()),
      logits_(Elements(logit_rows, config.vocabulary)) {
  kept_rows_.reserve(static_cast<size_t>(step_tokens));
}

/// The stages of one forward pass, with what they share. Each reads and writes the workspace.
class ForwardPass {
 public:
  ForwardPass(const Model& model, const StepBatch& batch, kv::KvCache& cache, Workspace& space,
              const ops::Ops& ops, device::Stream& stream)
      : model_(model),
        config_(model.config()),
        batch_(batch),
        cache_(cache),
        space_(space),
        ops_(ops),
        stream_(stream),
        T_(static_cast<int64_t>(batch.tokens.size())),
        q_columns_(int64_t{config_.query_heads} * config_.head_dim),
        kv_columns_(int64_t{config_.kv_heads} * config_.head_dim) {
    BATON_CHECK(T_ <= space.step_tokens_ && batch.sequences.T == T_);
    BATON_CHECK(batch.logit_rows.size() <= static_cast<size_t>(space.logit_rows_));
    BATON_CHECK(cache.geometry().layers == config_.layers);
  }

  void Embed() {
    const TensorView& table = model_.weights().embedding;
    ops_.embedding({.tokens = batch_.tokens.data(),
                    .table = table.data,
                    .y = space_.residual_.data(),
                    .table_dtype = table.dtype,
                    .T = T_,
                    .V = config_.vocabulary,
                    .E = config_.hidden,
                    .scale = config_.embedding_scale},
                   stream_);
  }

  /// From the residual, with the last delta added, to q and to K and V in the cache.
  void WriteKv(int32_t l) {
    const LayerWeights& layer = model_.weights().layers[static_cast<size_t>(l)];
    Norm(layer.attention_norm, /*with_delta=*/l > 0);
    Linear(space_.normed_, layer.q, space_.q_);
    Linear(space_.normed_, layer.k, space_.k_);
    Linear(space_.normed_, layer.v, space_.v_);
    if (config_.qk_norm) {
      NormHeads(layer.q_norm, config_.query_heads, space_.q_);
      NormHeads(layer.k_norm, config_.kv_heads, space_.k_);
    }
    ops_.rope_kv_write({.q = space_.q_.data(),
                        .k = space_.k_.data(),
                        .v = space_.v_.data(),
                        .q_stride = q_columns_,
                        .kv_stride = kv_columns_,
                        .inv_freq = InverseFrequencies(l).data(),
                        .attention_scale = config_.rope_scaling.attention_factor,
                        .H = config_.query_heads,
                        .R = config_.rotary_dim,
                        .batch = batch_.sequences,
                        .kv = cache_.Layer(l)},
                       stream_);
  }

  void Attend(int32_t l) {
    ops_.paged_attention({.q = space_.q_.data(),
                          .y = space_.attention_.data(),
                          .q_stride = q_columns_,
                          .H = config_.query_heads,
                          .scale = config_.attention_scale,
                          .window = config_.windows[static_cast<size_t>(l)],
                          .softcap = config_.attention_softcap,
                          .batch = batch_.sequences,
                          .kv = cache_.Layer(l)},
                         stream_);
  }

  /// Behind the last attention only the rows that become logits matter.
  void KeepLogitRows() {
    stream_.SynchronizeAndWait();
    std::vector<int32_t>& kept = space_.kept_rows_;
    kept.clear();
    std::merge(batch_.logit_rows.begin(), batch_.logit_rows.end(), batch_.scored_rows.begin(),
               batch_.scored_rows.end(), std::back_inserter(kept));
    KeepRows(kept, q_columns_, space_.attention_);
    KeepRows(kept, config_.hidden, space_.residual_);
    T_ = static_cast<int64_t>(kept.size());
  }

  /// From the attention's output to the next delta.
  void FeedForward(int32_t l) {
    const LayerWeights& layer = model_.weights().layers[static_cast<size_t>(l)];
    Linear(space_.attention_, layer.o, space_.delta_);
    if (config_.post_norms) NormDelta(layer.attention_post_norm);
    Norm(layer.mlp_norm, /*with_delta=*/true);
    Linear(space_.normed_, layer.gate, space_.gate_);
    Linear(space_.normed_, layer.up, space_.up_);
    Activate();
    Linear(space_.gate_, layer.down, space_.delta_);
    if (config_.post_norms) NormDelta(layer.mlp_post_norm);
  }

  /// REQUIRES: the scored rows are done, if there are any.
  std::span<float> Logits() {
    if (batch_.scored_rows.empty()) return LogitsOf(space_.normed_);
    GatherNormed(batch_.logit_rows);
    return LogitsOf(space_.delta_);
  }

  void FinalNorm() { Norm(model_.weights().final_norm, /*with_delta=*/true); }

  void Score(const Model::OnScored& on_scored) {
    auto rest = batch_.scored_rows;
    while (!rest.empty()) {
      const size_t piece = std::min(rest.size(), static_cast<size_t>(space_.logit_rows_));
      GatherNormed(rest.first(piece));
      rest = rest.subspan(piece);
      const std::span<float> logits = LogitsOf(space_.delta_);
      stream_.SynchronizeAndWait();
      on_scored(logits);
    }
  }

 private:
  std::span<float> LogitsOf(const std::vector<float>& normed) {
    Linear(normed, {.weight = model_.weights().output, .bias = {}}, space_.logits_);
    if (config_.logit_softcap > 0) {
      ops_.soft_cap({.x = space_.logits_.data(),
                     .cap = config_.logit_softcap,
                     .T = T_,
                     .F = config_.vocabulary},
                    stream_);
    }
    return std::span(space_.logits_).first(Elements(T_, config_.vocabulary));
  }

  /// Copies rows of the batch from among the kept ones to where the delta was, which the final norm
  /// has taken.
  void GatherNormed(std::span<const int32_t> rows) {
    stream_.SynchronizeAndWait();
    const std::vector<int32_t>& kept = space_.kept_rows_;
    auto to = space_.delta_.begin();
    for (const int32_t row : rows) {
      const auto from = std::lower_bound(kept.begin(), kept.end(), row) - kept.begin();
      to = std::copy_n(space_.normed_.begin() + from * config_.hidden, config_.hidden, to);
    }
    T_ = static_cast<int64_t>(rows.size());
  }

  const std::vector<float>& InverseFrequencies(int32_t l) const {
    const bool local = config_.local_rope_theta > 0 && config_.windows[static_cast<size_t>(l)] > 0;
    return local ? model_.local_inv_freq_ : model_.inv_freq_;
  }

  /// The gate, activated, times what goes up; to the gate's place.
  void Activate() {
    const ops::GatedActivationParams params{.gate = space_.gate_.data(),
                                            .up = space_.up_.data(),
                                            .y = space_.gate_.data(),
                                            .T = T_,
                                            .F = config_.intermediate,
                                            .in_stride = config_.intermediate,
                                            .y_stride = config_.intermediate};
    switch (config_.activation) {
      case ModelConfig::Activation::kSilu: return ops_.silu_mul(params, stream_);
      case ModelConfig::Activation::kGeluTanh: return ops_.gelu_mul(params, stream_);
    }
  }

  void Norm(const TensorView& w, bool with_delta) {
    ops_.rms_norm({.residual = space_.residual_.data(),
                   .x = with_delta ? space_.delta_.data() : nullptr,
                   .w = w.data,
                   .y = space_.normed_.data(),
                   .w_dtype = w.dtype,
                   .T = T_,
                   .E = config_.hidden,
                   .eps = config_.rms_norm_eps,
                   .w_offset = config_.norm_offset},
                  stream_);
  }

  /// What the next norm adds to the residual.
  void NormDelta(const TensorView& w) { NormInPlace(w, space_.delta_, T_, config_.hidden); }

  /// Each head of each row on its own.
  void NormHeads(const TensorView& w, int32_t heads, std::vector<float>& rows) {
    NormInPlace(w, rows, T_ * heads, config_.head_dim);
  }

  /// `rows` is [T, E].
  void NormInPlace(const TensorView& w, std::vector<float>& rows, int64_t T, int32_t E) {
    ops_.rms_norm({.x = rows.data(),
                   .w = w.data,
                   .y = rows.data(),
                   .w_dtype = w.dtype,
                   .T = T,
                   .E = E,
                   .eps = config_.rms_norm_eps,
                   .w_offset = config_.norm_offset},
                  stream_);
  }

  void Linear(const std::vector<float>& x, const LinearWeights& w, std::vector<float>& y) {
    const int64_t N = w.weight.shape[0];
    const int64_t K = w.weight.shape[1];
    ops_.linear({.x = x.data(),
                 .w = w.weight.data,
                 .bias = w.bias.data,
                 .y = y.data(),
                 .w_dtype = w.weight.dtype,
                 .T = T_,
                 .N = N,
                 .K = K,
                 .x_stride = K,
                 .y_stride = N},
                stream_);
  }

  const Model& model_;
  const ModelConfig& config_;
  const StepBatch& batch_;
  kv::KvCache& cache_;
  Workspace& space_;
  const ops::Ops& ops_;
  device::Stream& stream_;
  /// Rows that the next stage takes.
  int64_t T_;
  const int64_t q_columns_;
  const int64_t kv_columns_;
};

std::span<float> Model::Forward(const StepBatch& batch, kv::KvCache& cache, Workspace& workspace,
                                const ops::Ops& ops, device::Stream& stream,
                                const OnLayers& on_layers, const OnScored& on_scored) const {
  ForwardPass pass(*this, batch, cache, workspace, ops, stream);
  const int32_t group = batch.layer_group > 0 ? batch.layer_group : config_.layers;
  pass.Embed();
  for (int32_t l = 0; l < config_.layers; ++l) {
    const bool last = l + 1 == config_.layers;
    pass.WriteKv(l);
    if (on_layers && ((l + 1) % group == 0 || last)) {
      stream.SynchronizeAndWait();
      on_layers(l / group * group, l + 1);
    }
    if (last && batch.logit_rows.empty() && batch.scored_rows.empty()) return {};
    pass.Attend(l);
    if (last) pass.KeepLogitRows();
    pass.FeedForward(l);
  }
  pass.FinalNorm();
  pass.Score(on_scored);
  return batch.logit_rows.empty() ? std::span<float>{} : pass.Logits();
}

}  // namespace baton::model
