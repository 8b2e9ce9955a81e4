#include <algorithm>

#include "baton/base/check.h"
#include "baton/model/model.h"

namespace baton::model {
namespace {

size_t Elements(int64_t rows, int64_t columns) { return static_cast<size_t>(rows * columns); }

/// x w^T + bias for so many rows; x and y are missing.
ops::LinearParams ProductOf(const LinearWeights& w, DType x_dtype, DType y_dtype, int64_t rows) {
  const int64_t N = w.weight.shape[0];
  const int64_t K = w.weight.shape[1];
  return {.w = w.weight.data,
          .bias = w.bias.data,
          .x_dtype = x_dtype,
          .w_dtype = w.weight.dtype,
          .y_dtype = y_dtype,
          .T = rows,
          .N = N,
          .K = K,
          .x_stride = K,
          .w_stride = w.stride,
          .y_stride = N};
}

}  // namespace

/// Bytes of each array.
struct Workspace::Sizes {
  Sizes(const ModelConfig& config, const Shard& shard, const StepLimits& limits, DType activation) {
    const auto T = int64_t{limits.step_tokens};
    const size_t element = DTypeBytes(activation);
    residual = Elements(T, config.hidden) * sizeof(float);
    logits = Elements(limits.sequences, shard.rank == 0 ? config.vocabulary : shard.tokens) *
             sizeof(float);
    hidden = Elements(T, config.hidden) * element;
    q = Elements(T, int64_t{shard.query_heads} * config.head_dim) * element;
    kv = Elements(T, int64_t{shard.kv_heads} * config.head_dim) * element;
    intermediate = Elements(T, shard.intermediate) * element;
  }
  size_t residual, logits, hidden, q, kv, intermediate;
};

int64_t Workspace::Bytes(const ModelConfig& config, const Shard& shard, const StepLimits& limits,
                         DType activation) {
  const Sizes sizes(config, shard, limits, activation);
  return static_cast<int64_t>(2 * sizes.residual + sizes.logits + 2 * sizes.hidden + 2 * sizes.q +
                              2 * sizes.kv + 2 * sizes.intermediate);
}

Result<Workspace> Workspace::Create(const ModelConfig& config, const Shard& shard,
                                    const StepLimits& limits, DType activation,
                                    device::DeviceMemory& memory) {
  const Sizes sizes(config, shard, limits, activation);
  Workspace space;
  space.limits_ = limits;
  space.activation_ = activation;
  BATON_ASSIGN_OR_RETURN(space.residual_, memory.Allocate(sizes.residual));
  BATON_ASSIGN_OR_RETURN(space.kept_residual_, memory.Allocate(sizes.residual));
  BATON_ASSIGN_OR_RETURN(space.logits_, memory.Allocate(sizes.logits));
  BATON_ASSIGN_OR_RETURN(space.normed_, memory.Allocate(sizes.hidden));
  BATON_ASSIGN_OR_RETURN(space.delta_, memory.Allocate(sizes.hidden));
  BATON_ASSIGN_OR_RETURN(space.q_, memory.Allocate(sizes.q));
  BATON_ASSIGN_OR_RETURN(space.k_, memory.Allocate(sizes.kv));
  BATON_ASSIGN_OR_RETURN(space.v_, memory.Allocate(sizes.kv));
  BATON_ASSIGN_OR_RETURN(space.attention_, memory.Allocate(sizes.q));
  BATON_ASSIGN_OR_RETURN(space.gate_, memory.Allocate(sizes.intermediate));
  BATON_ASSIGN_OR_RETURN(space.up_, memory.Allocate(sizes.intermediate));
  return space;
}

/// The stages of one forward pass, with what they share. Each reads and writes the workspace.
class ForwardPass {
 public:
  ForwardPass(const Model& model, const StepBatch& batch, const Place& place)
      : model_(model),
        config_(model.config()),
        shard_(model.shard()),
        batch_(batch),
        cache_(place.cache),
        space_(place.workspace),
        ops_(place.ops),
        stream_(place.stream),
        communicator_(place.communicator),
        activation_(space_.activation_),
        residual_(reinterpret_cast<float*>(space_.residual_.get())),
        attention_(space_.attention_.get()),
        T_(batch.sequences.T),
        q_columns_(int64_t{shard_.query_heads} * config_.head_dim),
        kv_columns_(int64_t{shard_.kv_heads} * config_.head_dim) {
    BATON_CHECK(T_ <= space_.limits_.step_tokens);
    BATON_CHECK(batch.logits.count <= space_.limits_.sequences);
    BATON_CHECK(ops_.activation == activation_) << "a workspace of another device's operations";
    BATON_CHECK(cache_.geometry().layers == config_.layers);
    BATON_CHECK(shard_.ranks == 1 || communicator_ != nullptr);
  }

  void Embed() {
    const TensorView& table = model_.weights().embedding;
    ops_.embedding({.tokens = batch_.tokens,
                    .table = table.data,
                    .y = residual_,
                    .table_dtype = table.dtype,
                    .table_packing = model_.weights().embedding_packing(),
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
    Project(space_.normed_, layer.q, space_.q_);
    Project(space_.normed_, layer.k, space_.k_);
    Project(space_.normed_, layer.v, space_.v_);
    if (config_.qk_norm) {
      NormHeads(layer.q_norm, shard_.query_heads, space_.q_);
      NormHeads(layer.k_norm, shard_.kv_heads, space_.k_);
    }
    ops_.rope_kv_write({.q = space_.q_.get(),
                        .k = space_.k_.get(),
                        .v = space_.v_.get(),
                        .activation = activation_,
                        .q_stride = q_columns_,
                        .kv_stride = kv_columns_,
                        .inv_freq = InverseFrequencies(l),
                        .attention_scale = config_.rope_scaling.attention_factor,
                        .H = shard_.query_heads,
                        .R = config_.rotary_dim,
                        .batch = batch_.sequences,
                        .kv = cache_.Layer(l)},
                       stream_);
  }

  void Attend(int32_t l) {
    ops_.paged_attention({.q = space_.q_.get(),
                          .y = attention_,
                          .activation = activation_,
                          .q_stride = q_columns_,
                          .H = shard_.query_heads,
                          .scale = config_.attention_scale,
                          .window = config_.windows[static_cast<size_t>(l)],
                          .softcap = config_.attention_softcap,
                          .batch = batch_.sequences,
                          .kv = cache_.Layer(l)},
                         stream_);
  }

  /// Behind the last attention only these rows matter.
  void KeepRows() {
    if (batch_.kept.rows == nullptr) return;
    Gather(batch_.kept, attention_, q_columns_ * Bytes(activation_), space_.q_.get());
    attention_ = space_.q_.get();
    auto* kept = reinterpret_cast<float*>(space_.kept_residual_.get());
    Gather(batch_.kept, residual_, config_.hidden * Bytes(DType::kFloat32), kept);
    residual_ = kept;
    T_ = batch_.kept.count;
  }

  /// From the attention's output to the next delta.
  void FeedForward(int32_t l) {
    const LayerWeights& layer = model_.weights().layers[static_cast<size_t>(l)];
    Linear(attention_, activation_, layer.o, space_.delta_.get(), activation_);
    SumDelta();
    if (config_.post_norms) NormDelta(layer.attention_post_norm);
    Norm(layer.mlp_norm, /*with_delta=*/true);
    Project(space_.normed_, layer.gate, space_.gate_);
    Project(space_.normed_, layer.up, space_.up_);
    Activate();
    Project(space_.gate_, layer.down, space_.delta_);
    SumDelta();
    if (config_.post_norms) NormDelta(layer.mlp_post_norm);
  }

  void FinalNorm() { Norm(model_.weights().final_norm, /*with_delta=*/true); }

  /// REQUIRES: the scored rows are done, if there are any.
  float* Logits() {
    if (batch_.scored.count == 0) return LogitsOf(space_.normed_);
    GatherNormed(batch_.logits);
    return LogitsOf(space_.delta_);
  }

  void Score(const Model::OnScored& on_scored) {
    const int64_t most = space_.limits_.sequences;
    for (int64_t begin = 0; begin < batch_.scored.count; begin += most) {
      const int64_t count = std::min(most, batch_.scored.count - begin);
      GatherNormed({.rows = batch_.scored.rows + begin, .count = count});
      float* logits = LogitsOf(space_.delta_);
      if (logits != nullptr) on_scored(logits, begin, count);
    }
  }

 private:
  static int64_t Bytes(DType dtype) { return static_cast<int64_t>(DTypeBytes(dtype)); }

  float* LogitsOf(const device::Allocation& normed) {
    auto* logits = reinterpret_cast<float*>(space_.logits_.get());
    const int64_t stride = shard_.rank == 0 ? config_.vocabulary : shard_.tokens;
    Linear(normed.get(), activation_, {.weight = model_.weights().output, .bias = {}}, logits,
           DType::kFloat32, stride);
    if (shard_.ranks > 1) {
      communicator_->Gather({.x = logits, .y = logits, .rows = T_, .columns = config_.vocabulary},
                            stream_);
      if (shard_.rank > 0) return nullptr;
    }
    if (config_.logit_softcap > 0) {
      ops_.soft_cap({.x = logits, .cap = config_.logit_softcap, .T = T_, .F = config_.vocabulary},
                    stream_);
    }
    return logits;
  }

  /// Copies some of the kept rows to where the delta was, which the final norm has taken.
  void GatherNormed(const RowList& rows) {
    Gather(rows, space_.normed_.get(), config_.hidden * Bytes(activation_), space_.delta_.get());
    T_ = rows.count;
  }

  void Gather(const RowList& rows, const void* x, int64_t row_bytes, void* y) {
    ops_.gather_rows({.x = x, .rows = rows.rows, .y = y, .T = rows.count, .row_bytes = row_bytes},
                     stream_);
  }

  const float* InverseFrequencies(int32_t l) const {
    const bool local = config_.local_rope_theta > 0 && config_.windows[static_cast<size_t>(l)] > 0;
    const device::Allocation& chosen = local ? model_.local_inv_freq_ : model_.inv_freq_;
    return reinterpret_cast<const float*>(chosen.get());
  }

  /// The gate, activated, times what goes up; to the gate's place.
  void Activate() {
    const ops::GatedActivationParams params{.gate = space_.gate_.get(),
                                            .up = space_.up_.get(),
                                            .y = space_.gate_.get(),
                                            .activation = activation_,
                                            .T = T_,
                                            .F = shard_.intermediate,
                                            .in_stride = shard_.intermediate,
                                            .y_stride = shard_.intermediate};
    switch (config_.activation) {
      case ModelConfig::Activation::kSilu: return ops_.silu_mul(params, stream_);
      case ModelConfig::Activation::kGeluTanh: return ops_.gelu_mul(params, stream_);
    }
  }

  void Norm(const TensorView& w, bool with_delta) {
    ops_.rms_norm({.residual = residual_,
                   .x = with_delta ? space_.delta_.get() : nullptr,
                   .w = w.data,
                   .y = space_.normed_.get(),
                   .activation = activation_,
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
  void NormHeads(const TensorView& w, int32_t heads, device::Allocation& rows) {
    NormInPlace(w, rows, T_ * heads, config_.head_dim);
  }

  /// `rows` is [T, E].
  void NormInPlace(const TensorView& w, device::Allocation& rows, int64_t T, int32_t E) {
    ops_.rms_norm({.x = rows.get(),
                   .w = w.data,
                   .y = rows.get(),
                   .activation = activation_,
                   .w_dtype = w.dtype,
                   .T = T,
                   .E = E,
                   .eps = config_.rms_norm_eps,
                   .w_offset = config_.norm_offset},
                  stream_);
  }

  void Project(const device::Allocation& x, const LinearWeights& w, device::Allocation& y) {
    Linear(x.get(), activation_, w, y.get(), activation_);
  }

  /// What the ranks add to the residual.
  void SumDelta() {
    if (shard_.ranks == 1) return;
    communicator_->AllReduce(
        {.x = space_.delta_.get(), .dtype = activation_, .count = T_ * config_.hidden}, stream_);
  }

  void Linear(const void* x, DType x_dtype, const LinearWeights& w, void* y, DType y_dtype,
              int64_t y_stride = 0) {
    ops::LinearParams params = ProductOf(w, x_dtype, y_dtype, T_);
    params.x = x;
    params.y = y;
    if (y_stride > 0) params.y_stride = y_stride;
    params.w_packing = model_.weights().packing();
    ops_.linear(params, stream_);
  }

  const Model& model_;
  const ModelConfig& config_;
  const Shard& shard_;
  const StepBatch& batch_;
  kv::KvCache& cache_;
  Workspace& space_;
  const ops::Ops& ops_;
  device::Stream& stream_;
  collective::Communicator* const communicator_;
  const DType activation_;
  /// These move when rows are kept.
  float* residual_;
  std::byte* attention_;
  /// Rows that the next stage takes.
  int64_t T_;
  const int64_t q_columns_;
  const int64_t kv_columns_;
};

std::vector<ops::LinearParams> Model::WidestProducts(const StepLimits& limits,
                                                     DType activation) const {
  std::vector<ops::LinearParams> products;
  for (const LayerWeights& layer : weights_.layers) {
    for (const LinearWeights* w : layer.projections()) {
      products.push_back(ProductOf(*w, activation, activation, limits.step_tokens));
    }
  }
  products.push_back(ProductOf({.weight = weights_.output, .bias = {}}, activation, DType::kFloat32,
                               limits.sequences));
  return products;
}

float* Model::Forward(const StepBatch& batch, const Place& place, const OnLayers& on_layers,
                      const OnScored& on_scored) const {
  ForwardPass pass(*this, batch, place);
  const int32_t group = batch.layer_group > 0 ? batch.layer_group : config_.layers;
  pass.Embed();
  for (int32_t l = 0; l < config_.layers; ++l) {
    const bool last = l + 1 == config_.layers;
    pass.WriteKv(l);
    if (on_layers && ((l + 1) % group == 0 || last)) on_layers(l / group * group, l + 1);
    if (last && batch.logits.count == 0 && batch.scored.count == 0) return nullptr;
    pass.Attend(l);
    if (last) pass.KeepRows();
    pass.FeedForward(l);
  }
  pass.FinalNorm();
  pass.Score(on_scored);
  return batch.logits.count == 0 ? nullptr : pass.Logits();
}

}  // namespace baton::model
