#include "baton/device/buffer.h"
#include "support.h"

namespace baton::kernels {
namespace {

class Embedding : public KernelTest {};

TEST_P(Embedding, WidensTheTokensRowsExactly) {
  for (const DType dtype : kFloatTypes) {
    for (const int64_t E : {1, 15, 16, 17, 100}) {
      const int64_t V = 50;
      const std::vector<std::byte> table = Rounded(Uniform(random_, V * E), dtype);
      const std::vector<TokenId> tokens = {49, 0, 7, 7, 23};
      std::vector<float> y = NanFilled(5 * E);
      std::vector<float> expected = NanFilled(5 * E);
      ops::EmbeddingParams p{.tokens = tokens.data(),
                             .table = table.data(),
                             .y = y.data(),
                             .table_dtype = dtype,
                             .T = 5,
                             .V = V,
                             .E = E};
      cpu().embedding(p, stream_);
      p.y = expected.data();
      reference().embedding(p, stream_);
      EXPECT_TRUE(SameBits(y, expected)) << DTypeName(dtype) << " E " << E;
    }
  }
}

TEST_P(Embedding, ReadsTheRowsOfATableThatIsPackedForProducts) {
  const int64_t V = 50;
  const std::vector<TokenId> tokens = {49, 0, 7, 7, 23, 15, 16};
  const auto T = static_cast<int64_t>(tokens.size());
  for (const ops::Packing packing : {ops::Packing::kExact, ops::Packing::kW16A16}) {
    for (const DType dtype : kFloatTypes) {
      if (!ops::KeepsWeights(packing, dtype)) continue;
      for (const int64_t E : {1, 16, 33, 384, 385, 1000}) {
        const std::vector<std::byte> table = Rounded(Uniform(random_, V * E), dtype);
        ops::PackLinearParams pack{
            .w = table.data(), .dtype = dtype, .packing = packing, .N = V, .K = E};
        device::Buffer packed = *device::Buffer::AllocateUntouched(cpu().packed_bytes(pack));
        pack.packed = packed.data();
        cpu().pack_linear(pack, stream_);
        std::vector<float> y = NanFilled(T * E);
        std::vector<float> expected = NanFilled(T * E);
        ops::EmbeddingParams p{.tokens = tokens.data(),
                               .table = table.data(),
                               .y = expected.data(),
                               .table_dtype = dtype,
                               .T = T,
                               .V = V,
                               .E = E,
                               .scale = 3};
        reference().embedding(p, stream_);
        p.table = packed.data();
        p.table_packing = packing;
        p.y = y.data();
        cpu().embedding(p, stream_);
        EXPECT_TRUE(SameBits(y, expected))
            << DTypeName(dtype) << " E " << E << " packing " << static_cast<int>(packing);
      }
    }
  }
}

TEST_P(Embedding, SharesManyRowsAmongThreads) {
  const int64_t V = 300, E = 64, T = 5000;
  const std::vector<std::byte> table = Rounded(Uniform(random_, V * E), DType::kBFloat16);
  std::vector<TokenId> tokens(T);
  for (TokenId& token : tokens) token = static_cast<TokenId>(random_.Below(V));
  std::vector<float> y = NanFilled(T * E);
  std::vector<float> expected = NanFilled(T * E);
  ops::EmbeddingParams p{
      .tokens = tokens.data(), .table = table.data(), .y = y.data(), .T = T, .V = V, .E = E};
  cpu().embedding(p, stream_);
  p.y = expected.data();
  reference().embedding(p, stream_);
  EXPECT_TRUE(SameBits(y, expected));
}

TEST_P(Embedding, AbortsOnATokenOutsideTheTable) {
  const std::vector<float> table(8);
  const TokenId token = 4;
  float y[2];
  const ops::EmbeddingParams p{.tokens = &token,
                               .table = table.data(),
                               .y = y,
                               .table_dtype = DType::kFloat32,
                               .T = 1,
                               .V = 4,
                               .E = 2};
  device::HostStream alone(1);
  EXPECT_DEATH(cpu().embedding(p, alone), "token 4");
}

BATON_KERNEL_SUITE(Embedding);

}  // namespace
}  // namespace baton::kernels
