#include "baton/model/weights.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <sstream>

#include "fingerprint.h"
#include "pack_weights.h"
#include "place_weights.h"

namespace baton::model {
namespace {

/// Tensors of at most this size go into the fingerprint whole; of larger ones evenly spread pieces.
constexpr size_t kWholeBytes = size_t{256} << 10;
constexpr size_t kPieces = 16;
constexpr size_t kPieceBytes = 4096;

constexpr size_t kMostNamed = 8;

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::ostringstream text;
  text << "[";
  for (size_t i = 0; i < shape.size(); ++i) text << (i > 0 ? ", " : "") << shape[i];
  text << "]";
  return text.str();
}

}  // namespace

/// Takes tensors by name from a checkpoint and collects everything that is wrong with them.
class WeightsReader {
 public:
  explicit WeightsReader(Weights& weights) : weights_(weights) {}

  TensorView Take(const std::string& name, Shape shape) {
    if (weights_.random_) return {.dtype = DType::kBFloat16, .shape = shape};
    taken_.insert(name);
    const StoredTensor* stored = weights_.checkpoint_.Find(name);
    if (stored == nullptr) {
      problems_.push_back("tensor " + name + " is missing");
      return {};
    }
    std::vector<int64_t> wanted;
    for (size_t i = 0; i < shape.rank(); ++i) wanted.push_back(shape[i]);
    if (stored->shape != wanted) {
      problems_.push_back("tensor " + name + " has shape " + ShapeText(stored->shape) + ", not " +
                          shape.ToString());
      return {};
    }
    TensorView view{.data = stored->data, .dtype = DType::kFloat32, .shape = shape};
    if (stored->dtype == "BF16") {
      view.dtype = DType::kBFloat16;
    } else if (stored->dtype == "F16") {
      view.dtype = DType::kFloat16;
    } else if (stored->dtype != "F32") {
      problems_.push_back("tensor " + name + " has type " + stored->dtype +
                          "; BF16, F16 and F32 are supported");
      return {};
    }
    return Aligned(view);
  }

  LinearWeights TakeLinear(const std::string& name, int64_t N, int64_t K, bool bias) {
    LinearWeights linear{.weight = Take(name + ".weight", {N, K}), .bias = {}};
    if (!bias) return linear;
    linear.bias = Take(name + ".bias", {N});
    if (linear.bias.dtype != linear.weight.dtype) {
      problems_.push_back("tensors " + name + ".bias and " + name + ".weight differ in type");
    }
    return linear;
  }

  Status Finish(bool tied_embeddings) {
    for (const auto& [name, tensor] : weights_.checkpoint_.tensors()) {
      // Old checkpoints store the rotary table; ties may be stored twice. Neither is read.
      const bool harmless =
          EndsWith(name, ".rotary_emb.inv_freq") || (tied_embeddings && name == "lm_head.weight");
      if (!harmless && !taken_.contains(name)) {
        problems_.push_back("tensor " + name + " belongs to no part of this architecture");
      }
    }
    if (problems_.empty()) return OkStatus();
    std::string message = weights_.checkpoint_.path().string() + ": ";
    for (size_t i = 0; i < std::min(problems_.size(), kMostNamed); ++i) {
      message += (i > 0 ? "; " : "") + problems_[i];
    }
    if (problems_.size() > kMostNamed) {
      message += "; and " + std::to_string(problems_.size() - kMostNamed) + " more";
    }
    return InvalidArgument(message);
  }

 private:
  /// Files written by old exporters do not align their data.
  TensorView Aligned(TensorView view) {
    if (reinterpret_cast<uintptr_t>(view.data) % DTypeBytes(view.dtype) == 0) return view;
    auto copy = std::make_unique<std::byte[]>(view.bytes());
    std::memcpy(copy.get(), view.data, view.bytes());
    view.data = copy.get();
    weights_.realigned_.push_back(std::move(copy));
    return view;
  }

  Weights& weights_;
  std::set<std::string> taken_;
  std::vector<std::string> problems_;
};

namespace {

/// Where element `begin` of `view` lies.
const void* At(const TensorView& view, int64_t begin) {
  return static_cast<const std::byte*>(view.data) +
         static_cast<size_t>(begin) * DTypeBytes(view.dtype);
}

/// Rows [begin, begin + rows) of a matrix.
TensorView Rows(const TensorView& matrix, int64_t begin, int64_t rows) {
  const int64_t columns = matrix.shape.rank() == 2 ? matrix.shape[1] : 0;
  // Missing, and the reader says so; or made up later.
  if (matrix.data == nullptr) return {.dtype = matrix.dtype, .shape = {rows, columns}};
  return {.data = At(matrix, begin * columns), .dtype = matrix.dtype, .shape = {rows, columns}};
}

void KeepRows(LinearWeights& linear, int64_t begin, int64_t rows) {
  linear.weight = Rows(linear.weight, begin, rows);
  if (linear.bias.data == nullptr) return;
  linear.bias.data = At(linear.bias, begin);
  linear.bias.shape = {rows};
}

void KeepColumns(LinearWeights& linear, int64_t begin, int64_t columns, bool keep_bias) {
  linear.stride = linear.weight.shape[1];
  linear.weight.data = At(linear.weight, begin);
  linear.weight.shape = {linear.weight.shape[0], columns};
  if (!keep_bias) linear.bias = {};
}

void TakeProjections(WeightsReader& reader, const std::string& prefix, const ModelConfig& config,
                     LayerWeights& layer) {
  const int64_t E = config.hidden;
  const int64_t F = config.intermediate;
  const int64_t q_rows = int64_t{config.query_heads} * config.head_dim;
  const int64_t kv_rows = int64_t{config.kv_heads} * config.head_dim;
  const std::string attention = prefix + "self_attn.";
  const std::string mlp = prefix + "mlp.";
  if (config.fused_projections) {
    const TensorView qkv = reader.Take(attention + "qkv_proj.weight", {q_rows + 2 * kv_rows, E});
    layer.q.weight = Rows(qkv, 0, q_rows);
    layer.k.weight = Rows(qkv, q_rows, kv_rows);
    layer.v.weight = Rows(qkv, q_rows + kv_rows, kv_rows);
    const TensorView gate_up = reader.Take(mlp + "gate_up_proj.weight", {2 * F, E});
    layer.gate.weight = Rows(gate_up, 0, F);
    layer.up.weight = Rows(gate_up, F, F);
  } else {
    layer.q = reader.TakeLinear(attention + "q_proj", q_rows, E, config.qkv_bias);
    layer.k = reader.TakeLinear(attention + "k_proj", kv_rows, E, config.qkv_bias);
    layer.v = reader.TakeLinear(attention + "v_proj", kv_rows, E, config.qkv_bias);
    layer.gate = reader.TakeLinear(mlp + "gate_proj", F, E, config.mlp_bias);
    layer.up = reader.TakeLinear(mlp + "up_proj", F, E, config.mlp_bias);
  }
  layer.o = reader.TakeLinear(attention + "o_proj", E, q_rows, config.output_bias);
  layer.down = reader.TakeLinear(mlp + "down_proj", E, F, config.mlp_bias);
}

LayerWeights TakeLayer(WeightsReader& reader, const std::string& prefix,
                       const ModelConfig& config) {
  LayerWeights layer;
  layer.attention_norm = reader.Take(prefix + "input_layernorm.weight", {config.hidden});
  TakeProjections(reader, prefix, config, layer);
  if (config.qk_norm) {
    layer.q_norm = reader.Take(prefix + "self_attn.q_norm.weight", {config.head_dim});
    layer.k_norm = reader.Take(prefix + "self_attn.k_norm.weight", {config.head_dim});
  }
  const auto norm = [&](const char* name) { return reader.Take(prefix + name, {config.hidden}); };
  if (config.post_norms) {
    layer.attention_post_norm = norm("post_attention_layernorm.weight");
    layer.mlp_norm = norm("pre_feedforward_layernorm.weight");
    layer.mlp_post_norm = norm("post_feedforward_layernorm.weight");
  } else {
    layer.mlp_norm = norm("post_attention_layernorm.weight");
  }
  return layer;
}

}  // namespace

namespace {

void TakeAll(WeightsReader& reader, const ModelConfig& config, Weights& weights) {
  const int64_t E = config.hidden;
  weights.embedding = reader.Take("model.embed_tokens.weight", {config.vocabulary, E});
  for (int32_t i = 0; i < config.layers; ++i) {
    weights.layers.push_back(TakeLayer(reader, "model.layers." + std::to_string(i) + ".", config));
  }
  weights.final_norm = reader.Take("model.norm.weight", {E});
  weights.output = config.tied_embeddings ? weights.embedding
                                          : reader.Take("lm_head.weight", {config.vocabulary, E});
}

}  // namespace

Result<Weights> Weights::Load(const std::filesystem::path& folder, const ModelConfig& config) {
  Weights weights;
  BATON_ASSIGN_OR_RETURN(weights.checkpoint_, Checkpoint::Open(folder));
  WeightsReader reader(weights);
  TakeAll(reader, config, weights);
  BATON_RETURN_IF_ERROR(reader.Finish(config.tied_embeddings));
  return weights;
}

Weights Weights::Random(const ModelConfig& config) {
  Weights weights;
  weights.random_ = true;
  WeightsReader reader(weights);
  TakeAll(reader, config, weights);
  return weights;
}

Status Weights::Place(const ModelConfig& config, const Placement& placement) {
  BATON_ASSIGN_OR_RETURN(placed_, PlaceWeights(config, *this, placement));
  checkpoint_ = {};
  realigned_.clear();
  return OkStatus();
}

Status Weights::Pack(const ops::Ops& ops, ops::Packing packing,
                     const device::HostThreads& threads) {
  BATON_ASSIGN_OR_RETURN(packed_, PackWeights(*this, ops, packing, threads));
  packing_ = packing;
  // The embedding's too, of which few rows are read from here on.
  checkpoint_.GiveBackPages();
  return OkStatus();
}

void Weights::Narrow(const ModelConfig& config, const Shard& shard) {
  if (shard.ranks == 1) return;
  const int64_t D = config.head_dim;
  const auto query_rows = [&](LinearWeights& linear) {
    KeepRows(linear, shard.first_query_head * D, shard.query_heads * D);
  };
  const auto kv_rows = [&](LinearWeights& linear) {
    KeepRows(linear, shard.first_kv_head * D, shard.kv_heads * D);
  };
  for (LayerWeights& layer : layers) {
    query_rows(layer.q);
    kv_rows(layer.k);
    kv_rows(layer.v);
    KeepColumns(layer.o, shard.first_query_head * D, shard.query_heads * D, shard.rank == 0);
    KeepRows(layer.gate, shard.first_intermediate, shard.intermediate);
    KeepRows(layer.up, shard.first_intermediate, shard.intermediate);
    KeepColumns(layer.down, shard.first_intermediate, shard.intermediate, shard.rank == 0);
  }
  output = Rows(output, shard.first_token, shard.tokens);
}

std::string Weights::Fingerprint(const std::string& seed) const {
  model::Fingerprint fingerprint;
  if (random_) fingerprint.Add(std::string("random weights"));
  fingerprint.Add(seed);
  for (const auto& [name, tensor] : checkpoint_.tensors()) {
    fingerprint.Add(name);
    fingerprint.Add(tensor->dtype);
    for (const int64_t extent : tensor->shape) fingerprint.Add(static_cast<uint64_t>(extent));
    const std::span content(tensor->data, tensor->bytes);
    if (content.size() <= kWholeBytes) {
      fingerprint.Add(content);
      continue;
    }
    for (size_t i = 0; i < kPieces; ++i) {
      const size_t begin = (content.size() - kPieceBytes) / (kPieces - 1) * i;
      fingerprint.Add(content.subspan(begin, kPieceBytes));
    }
  }
  return fingerprint.ToString();
}

}  // namespace baton::model
