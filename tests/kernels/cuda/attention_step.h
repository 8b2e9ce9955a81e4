#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/cuda/support.h"

/// Steps to attend to, with the error that any kernel has.
namespace baton::kernels::cuda {

struct Shape {
  int32_t H = 4, G = 2, P = 16, D = 64;
  int32_t window = 0;
  float softcap = 0;
  /// Of queries; large ones make scores that a softmax must not overflow on.
  float amplitude = 2;
};

/// `new_tokens` queries, the last of `kv_tokens` positions.
struct Lengths {
  int32_t kv_tokens = 0;
  int32_t new_tokens = 0;
};

/// A step's arrays on the host: the cache has two layers of which the second is asked for, and is
/// NaN but for the sequences' positions.
class Step {
 public:
  static constexpr int32_t kLayers = 2;

  Step(const Shape& shape, const std::vector<Lengths>& sequences, uint64_t seed)
      : shape_(shape), random_(seed) {
    MakeBatch(sequences);
    cache_.assign(static_cast<size_t>(blocks_) * BlockElements(), BFloat16{0x7fff});
    for (int32_t s = 0; s < batch().S; ++s) FillCache(s);
    q_ = ToBFloat16s(Uniform(random_, static_cast<size_t>(batch().T * QStride()), -shape.amplitude,
                             shape.amplitude));
  }

  ops::PagedBatch batch() const {
    return {.query_begin = query_begin_.data(),
            .kv_tokens = kv_tokens_.data(),
            .block_tables = tables_.data(),
            .table_stride = stride_,
            .S = static_cast<int32_t>(kv_tokens_.size()),
            .T = query_begin_.back()};
  }
  ops::PlanShape plan_shape() const {
    return {.H = shape_.H,
            .G = shape_.G,
            .D = shape_.D,
            .P = shape_.P,
            .step_tokens = query_begin_.back(),
            .sequences = static_cast<int32_t>(kv_tokens_.size()),
            .context_tokens = 2048};
  }
  ops::PagedAttentionParams Params(const void* q, void* y, DType activation,
                                   const BFloat16* cache) const {
    const int64_t half = int64_t{shape_.G} * shape_.P * shape_.D;
    auto* layer = reinterpret_cast<std::byte*>(const_cast<BFloat16*>(cache + 2 * half));
    return {.q = q,
            .y = y,
            .activation = activation,
            .q_stride = QStride(),
            .H = shape_.H,
            .scale = 0.7f / std::sqrt(static_cast<float>(shape_.D)),
            .window = shape_.window,
            .softcap = shape_.softcap,
            .batch = batch(),
            .kv = {.base = layer,
                   .block_stride = static_cast<int64_t>(BlockElements() * 2),
                   .v_offset = half * 2,
                   .dtype = DType::kBFloat16,
                   .G = shape_.G,
                   .P = shape_.P,
                   .D = shape_.D}};
  }

  const std::vector<BFloat16>& q() const { return q_; }
  const std::vector<BFloat16>& cache() const { return cache_; }
  const std::vector<int32_t>& query_begin() const { return query_begin_; }
  const std::vector<int32_t>& kv_tokens() const { return kv_tokens_; }
  const std::vector<int32_t>& tables() const { return tables_; }
  size_t y_elements() const { return static_cast<size_t>(batch().T) * shape_.H * shape_.D; }

 private:
  int64_t QStride() const { return (shape_.H + 2 * shape_.G) * shape_.D; }
  size_t BlockElements() const {
    return size_t{2} * kLayers * static_cast<size_t>(shape_.G * shape_.P * shape_.D);
  }

  void MakeBatch(const std::vector<Lengths>& sequences) {
    query_begin_.push_back(0);
    for (const Lengths& s : sequences) {
      query_begin_.push_back(query_begin_.back() + s.new_tokens);
      kv_tokens_.push_back(s.kv_tokens);
      stride_ = std::max<int64_t>(stride_, (s.kv_tokens + shape_.P - 1) / shape_.P);
    }
    blocks_ = static_cast<int32_t>(stride_) * batch().S + 3;
    std::vector<int32_t> free(static_cast<size_t>(blocks_));
    std::iota(free.begin(), free.end(), 0);
    for (size_t i = free.size(); i > 1; --i) std::swap(free[i - 1], free[random_.Below(i)]);
    for (const Lengths& s : sequences) {
      for (int64_t b = 0; b < stride_; ++b) {
        const bool used = b * shape_.P < s.kv_tokens;
        tables_.push_back(used ? free.back() : 0x7fffffff);
        if (used) free.pop_back();
      }
    }
  }

  void FillCache(int32_t s) {
    for (int32_t position = 0; position < kv_tokens_[static_cast<size_t>(s)]; ++position) {
      const size_t block =
          static_cast<size_t>(tables_[static_cast<size_t>(s * stride_ + position / shape_.P)]);
      for (int32_t row = 0; row < 2 * shape_.G; ++row) {
        const size_t at =
            block * BlockElements() +
            static_cast<size_t>(((2 * shape_.G + row) * shape_.P + position % shape_.P) * shape_.D);
        for (int32_t d = 0; d < shape_.D; ++d) {
          cache_[at + static_cast<size_t>(d)] =
              ToBFloat16(static_cast<float>(random_.Uniform() * 4 - 2));
        }
      }
    }
  }

  Shape shape_;
  Random random_;
  std::vector<int32_t> query_begin_, kv_tokens_, tables_;
  int64_t stride_ = 0;
  int32_t blocks_ = 0;
  std::vector<BFloat16> q_, cache_;
};

/// What every kernel with bfloat16 probabilities and outputs loses, without tiles or rescaling: the
/// exact probabilities rounded, a float32 sum, the output rounded.
inline std::vector<float> Naive(const Step& step, const Shape& shape, const std::vector<float>& q) {
  const ops::PagedAttentionParams p =
      step.Params(q.data(), nullptr, DType::kFloat32, step.cache().data());
  const int64_t half = p.kv.v_offset / 2;
  const auto at = [&](int32_t s, int32_t position, int32_t g, bool v) {
    const int32_t block = p.batch.block_tables[s * p.batch.table_stride + position / shape.P];
    return reinterpret_cast<const BFloat16*>(p.kv.base + block * p.kv.block_stride) +
           (v ? half : 0) + (int64_t{g} * shape.P + position % shape.P) * shape.D;
  };
  std::vector<float> y(step.y_elements());
  for (int32_t s = 0; s < p.batch.S; ++s) {
    for (int32_t t = p.batch.query_begin[s]; t < p.batch.query_begin[s + 1]; ++t) {
      const int32_t position = p.batch.kv_tokens[s] - p.batch.query_begin[s + 1] + t;
      const int32_t first = shape.window > 0 ? std::max(0, position - shape.window + 1) : 0;
      for (int32_t h = 0; h < shape.H; ++h) {
        const float* row = q.data() + t * p.q_stride + h * shape.D;
        const int32_t g = h / (shape.H / shape.G);
        std::vector<float> scores;
        for (int32_t j = first; j <= position; ++j) {
          float score = 0;
          for (int32_t d = 0; d < shape.D; ++d) score += row[d] * ToFloat(at(s, j, g, false)[d]);
          score *= p.scale;
          scores.push_back(p.softcap > 0 ? p.softcap * std::tanh(score / p.softcap) : score);
        }
        const float largest = *std::max_element(scores.begin(), scores.end());
        float sum = 0;
        for (float& score : scores) sum += score = std::exp(score - largest);
        for (int32_t d = 0; d < shape.D; ++d) {
          float value = 0;
          for (int32_t j = first; j <= position; ++j) {
            const float probability =
                ToFloat(ToBFloat16(scores[static_cast<size_t>(j - first)] / sum));
            value += probability * ToFloat(at(s, j, g, true)[d]);
          }
          y[static_cast<size_t>((int64_t{t} * shape.H + h) * shape.D + d)] =
              ToFloat(ToBFloat16(value));
        }
      }
    }
  }
  return y;
}

}  // namespace baton::kernels::cuda
