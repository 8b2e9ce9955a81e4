#include <algorithm>
#include <cmath>

#include "baton/base/check.h"
#include "baton/model/model.h"

namespace baton::model {
namespace {

size_t Elements(int64_t rows, int64_t columns) { return static_cast<size_t>(rows * columns); }

/// The calls of one forward pass, with what they all share.
struct Pass {
  const ModelConfig& config;
  const ops::Ops& ops;
  device::Stream& stream;

  void Norm(std::vector<float>& residual, const float* delta, const TensorView& w, float* y,
            int64_t T) const {
    ops.rms_norm({.residual = residual.data(),
                  .delta = delta,
                  .w = w.data,
                  .y = y,
                  .w_dtype = w.dtype,
                  .T = T,
                  .E = config.hidden,
                  .eps = config.rms_norm_eps},
                 stream);
  }

  void Linear(const float* x, const LinearWeights& w, float* y, int64_t T) const {
    const int64_t N = w.weight.shape[0];
    const int64_t K = w.weight.shape[1];
    ops.linear({.x = x,
                .w = w.weight.data,
                .bias = w.bias.data,
                .y = y,
                .w_dtype = w.weight.dtype,
                .T = T,
                .N = N,
                .K = K,
                .x_stride = K,
                .y_stride = N},
               stream);
  }
};

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
      logits_(Elements(logit_rows, config.vocabulary)) {}

std::span<float> Model::Forward(const StepBatch& batch, kv::KvCache& cache, Workspace& space,
                                const ops::Ops& ops, device::Stream& stream,
                                const OnLayers& on_layers) const {
  int64_t T = static_cast<int64_t>(batch.tokens.size());
  const int64_t R = static_cast<int64_t>(batch.logit_rows.size());
  BATON_CHECK(T <= space.step_tokens_ && R <= space.logit_rows_);
  BATON_CHECK(batch.sequences.T == T && cache.geometry().layers == config_.layers);
  const int64_t q_columns = int64_t{config_.query_heads} * config_.head_dim;
  const int64_t kv_columns = int64_t{config_.kv_heads} * config_.head_dim;
  const Pass pass{config_, ops, stream};
  ops.embedding({.tokens = batch.tokens.data(),
                 .table = weights_.embedding.data,
                 .y = space.residual_.data(),
                 .table_dtype = weights_.embedding.dtype,
                 .T = T,
                 .V = config_.vocabulary,
                 .E = config_.hidden},
                stream);
  const int32_t group = batch.layer_group > 0 ? batch.layer_group : config_.layers;
  int32_t reported = 0;
  const float* delta = nullptr;
  for (int32_t l = 0; l < config_.layers; ++l) {
    const LayerWeights& layer = weights_.layers[static_cast<size_t>(l)];
    const bool last = l + 1 == config_.layers;
    pass.Norm(space.residual_, delta, layer.attention_norm, space.normed_.data(), T);
    pass.Linear(space.normed_.data(), layer.q, space.q_.data(), T);
    pass.Linear(space.normed_.data(), layer.k, space.k_.data(), T);
    pass.Linear(space.normed_.data(), layer.v, space.v_.data(), T);
    ops.rope_kv_write({.q = space.q_.data(),
                       .k = space.k_.data(),
                       .v = space.v_.data(),
                       .q_stride = q_columns,
                       .kv_stride = kv_columns,
                       .inv_freq = inv_freq_.data(),
                       .H = config_.query_heads,
                       .batch = batch.sequences,
                       .kv = cache.Layer(l)},
                      stream);
    if (on_layers && ((l + 1) % group == 0 || last)) {
      stream.SynchronizeAndWait();
      on_layers(reported, l + 1);
      reported = l + 1;
    }
    if (last && R == 0) return {};
    ops.paged_attention({.q = space.q_.data(),
                         .y = space.attention_.data(),
                         .q_stride = q_columns,
                         .H = config_.query_heads,
                         .scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim)),
                         .window = config_.sliding_window,
                         .batch = batch.sequences,
                         .kv = cache.Layer(l)},
                        stream);
    if (last) {
      // Behind the last attention only the rows that become logits matter.
      stream.SynchronizeAndWait();
      KeepRows(batch.logit_rows, q_columns, space.attention_);
      KeepRows(batch.logit_rows, config_.hidden, space.residual_);
      T = R;
    }
    pass.Linear(space.attention_.data(), layer.o, space.delta_.data(), T);
    pass.Norm(space.residual_, space.delta_.data(), layer.mlp_norm, space.normed_.data(), T);
    pass.Linear(space.normed_.data(), layer.gate, space.gate_.data(), T);
    pass.Linear(space.normed_.data(), layer.up, space.up_.data(), T);
    ops.silu_mul({.gate = space.gate_.data(),
                  .up = space.up_.data(),
                  .y = space.gate_.data(),
                  .T = T,
                  .F = config_.intermediate,
                  .in_stride = config_.intermediate,
                  .y_stride = config_.intermediate},
                 stream);
    pass.Linear(space.gate_.data(), layer.down, space.delta_.data(), T);
    delta = space.delta_.data();
  }
  pass.Norm(space.residual_, delta, weights_.final_norm, space.normed_.data(), T);
  const LinearWeights output{.weight = weights_.output, .bias = {}};
  pass.Linear(space.normed_.data(), output, space.logits_.data(), T);
  return std::span(space.logits_).first(Elements(R, config_.vocabulary));
}

}  // namespace baton::model
