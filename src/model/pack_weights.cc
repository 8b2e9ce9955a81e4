#include "pack_weights.h"

#include <vector>

#include "baton/device/host_stream.h"

namespace baton::model {
namespace {

constexpr size_t kAlignment = 64;

struct Matrix {
  TensorView* view = nullptr;
  int64_t stride = 0;
  /// Whether nothing else reads the memory from which it is packed.
  bool alone = true;
};

/// Whether rows of the embedding can be read where the output is packed; of a shard of the output
/// they are not all there.
bool ServesAsEmbedding(const Weights& weights, ops::Packing packing) {
  return weights.output.data == weights.embedding.data &&
         weights.output.bytes() == weights.embedding.bytes() &&
         ops::KeepsWeights(packing, weights.embedding.dtype);
}

std::vector<Matrix> MatricesOf(Weights& weights, bool serves_as_embedding) {
  std::vector<Matrix> matrices;
  for (LayerWeights& layer : weights.layers) {
    for (LinearWeights* projection : layer.projections()) {
      matrices.push_back({.view = &projection->weight, .stride = projection->stride});
    }
  }
  const auto* embedding = static_cast<const std::byte*>(weights.embedding.data);
  const auto* output = static_cast<const std::byte*>(weights.output.data);
  const bool tied = output >= embedding && output < embedding + weights.embedding.bytes();
  matrices.push_back({.view = &weights.output, .alone = !tied || serves_as_embedding});
  return matrices;
}

size_t PaddedBytes(const ops::Ops& ops, const ops::PackLinearParams& params) {
  return (ops.packed_bytes(params) + kAlignment - 1) / kAlignment * kAlignment;
}

/// But for where it is packed to.
ops::PackLinearParams ParamsOf(const Matrix& matrix, ops::Packing packing) {
  return {.w = matrix.view->data,
          .dtype = matrix.view->dtype,
          .packing = packing,
          .N = matrix.view->shape[0],
          .K = matrix.view->shape[1],
          .w_stride = matrix.stride};
}

}  // namespace

Result<device::Buffer> PackWeights(Weights& weights, const ops::Ops& ops, ops::Packing packing,
                                   const device::HostThreads& threads) {
  const bool serves_as_embedding = ServesAsEmbedding(weights, packing);
  const std::vector<Matrix> matrices = MatricesOf(weights, serves_as_embedding);
  size_t bytes = 0;
  for (const Matrix& matrix : matrices) bytes += PaddedBytes(ops, ParamsOf(matrix, packing));
  BATON_ASSIGN_OR_RETURN(device::Buffer packed, device::Buffer::AllocateUntouched(bytes));
  device::HostStream stream(threads);
  const device::StayOnCores stay(threads.CoresOf(0));
  std::byte* to = packed.data();
  for (const Matrix& matrix : matrices) {
    ops::PackLinearParams params = ParamsOf(matrix, packing);
    params.packed = to;
    ops.pack_linear(params, stream);
    const auto elements = static_cast<size_t>((params.N - 1) * params.w_row() + params.K);
    if (matrix.alone) {
      device::GiveBackPages(static_cast<const std::byte*>(params.w),
                            elements * DTypeBytes(params.dtype));
    }
    matrix.view->data = to;
    to += PaddedBytes(ops, params);
  }
  if (serves_as_embedding) weights.embedding.data = weights.output.data;
  return packed;
}

}  // namespace baton::model
