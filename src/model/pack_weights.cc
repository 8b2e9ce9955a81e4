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

std::vector<Matrix> MatricesOf(Weights& weights) {
  std::vector<Matrix> matrices;
  for (LayerWeights& layer : weights.layers) {
    for (LinearWeights* projection : layer.projections()) {
      matrices.push_back({.view = &projection->weight, .stride = projection->stride});
    }
  }
  const auto* embedding = static_cast<const std::byte*>(weights.embedding.data);
  const auto* output = static_cast<const std::byte*>(weights.output.data);
  const bool tied = output >= embedding && output < embedding + weights.embedding.bytes();
  matrices.push_back({.view = &weights.output, .alone = !tied});
  return matrices;
}

size_t PackedBytes(const ops::Ops& ops, const TensorView& matrix) {
  const size_t bytes = ops.packed_bytes(matrix.shape[0], matrix.shape[1], matrix.dtype);
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

Result<device::Buffer> PackWeights(Weights& weights, const ops::Ops& ops, int threads) {
  const std::vector<Matrix> matrices = MatricesOf(weights);
  size_t bytes = 0;
  for (const Matrix& matrix : matrices) bytes += PackedBytes(ops, *matrix.view);
  BATON_ASSIGN_OR_RETURN(device::Buffer packed, device::Buffer::AllocateUntouched(bytes));
  device::HostStream stream(threads);
  std::byte* to = packed.data();
  for (const Matrix& matrix : matrices) {
    TensorView& view = *matrix.view;
    const auto* from = static_cast<const std::byte*>(view.data);
    const ops::PackLinearParams params{.w = from,
                                       .packed = to,
                                       .dtype = view.dtype,
                                       .N = view.shape[0],
                                       .K = view.shape[1],
                                       .w_stride = matrix.stride};
    ops.pack_linear(params, stream);
    const auto elements = static_cast<size_t>((params.N - 1) * params.w_row() + params.K);
    if (matrix.alone) device::GiveBackPages(from, elements * DTypeBytes(view.dtype));
    view.data = to;
    to += PackedBytes(ops, view);
  }
  return packed;
}

}  // namespace baton::model
