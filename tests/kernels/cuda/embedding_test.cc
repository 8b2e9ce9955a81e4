#include "kernels/cuda/support.h"
#include "operations.h"

namespace baton::kernels::cuda {
namespace {

class CudaEmbedding : public DeviceTest {};

TEST_P(CudaEmbedding, WidensAndScalesRowsExactlyForOddWidths) {
  const std::vector<TokenId> tokens = {6, 0, 3, 3};
  for (const int64_t E : {1, 7, 8, 264, 2047, 2056}) {
    SCOPED_TRACE(E);
    const std::vector<BFloat16> table =
        ToBFloat16s(Uniform(random_, static_cast<size_t>(7 * E), -2, 2));
    const DeviceArray<BFloat16> device_table(table);
    const DeviceArray<TokenId> device_tokens(tokens);
    const DeviceArray<float> y(static_cast<size_t>(4 * E));
    const ops::EmbeddingParams shape{.T = 4, .V = 7, .E = E, .scale = 1.5f};
    ops::EmbeddingParams device = shape;
    device.tokens = device_tokens.data();
    device.table = device_table.data();
    device.y = y.data();
    Embedding(device, stream());

    std::vector<float> expected(static_cast<size_t>(4 * E));
    ops::EmbeddingParams host = shape;
    host.tokens = tokens.data();
    host.table = table.data();
    host.y = expected.data();
    ReferenceOps().embedding(host, host_stream_);
    EXPECT_TRUE(SameBits(y.Read(), expected));
  }
}

BATON_DEVICE_SUITE(CudaEmbedding);

}  // namespace
}  // namespace baton::kernels::cuda
