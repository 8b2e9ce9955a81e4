#include "kernels/cuda/support.h"
#include "operations.h"

namespace baton::kernels::cuda {
namespace {

constexpr int64_t kVocabulary = 7;

class CudaEmbedding : public DeviceTest {
 protected:
  const std::vector<TokenId> tokens_ = {6, 0, 3, 3};

  /// The rows, and NaN in one behind them. The table begins `shift` elements after an address that
  /// all accesses fit.
  std::vector<float> Run(const std::vector<BFloat16>& table, int64_t E, size_t shift = 0) {
    std::vector<BFloat16> shifted(shift, BFloat16{0x7fff});
    shifted.insert(shifted.end(), table.begin(), table.end());
    const DeviceArray<BFloat16> device_table(shifted);
    const DeviceArray<TokenId> device_tokens(tokens_);
    const DeviceArray<float> y(static_cast<size_t>(5 * E));
    Embedding({.tokens = device_tokens.data(),
               .table = device_table.data() + shift,
               .y = y.data(),
               .T = 4,
               .V = kVocabulary,
               .E = E,
               .scale = 1.5f},
              stream());
    return y.Read();
  }

  std::vector<float> Exact(const std::vector<BFloat16>& table, int64_t E) {
    std::vector<float> y(static_cast<size_t>(4 * E));
    ReferenceOps().embedding({.tokens = tokens_.data(),
                              .table = table.data(),
                              .y = y.data(),
                              .T = 4,
                              .V = kVocabulary,
                              .E = E,
                              .scale = 1.5f},
                             host_stream_);
    return y;
  }

  std::vector<BFloat16> Table(int64_t E) {
    return ToBFloat16s(Uniform(random_, static_cast<size_t>(kVocabulary * E), -2, 2));
  }
};

TEST_P(CudaEmbedding, WidensAndScalesRowsExactlyForOddWidthsAndWritesNoMore) {
  for (const int64_t E : {1, 7, 8, 9, 264, 2047, 2056}) {
    SCOPED_TRACE(E);
    const std::vector<BFloat16> table = Table(E);
    std::vector<float> y = Run(table, E);
    for (auto behind = y.begin() + 4 * E; behind != y.end(); ++behind) {
      ASSERT_TRUE(std::isnan(*behind)) << "a write behind the last row";
    }
    y.resize(static_cast<size_t>(4 * E));
    EXPECT_TRUE(SameBits(y, Exact(table, E)));
  }
}

TEST_P(CudaEmbedding, GivesTheSameBitsTwiceAndWhereverTheTableBegins) {
  const int64_t E = 264;
  const std::vector<BFloat16> table = Table(E);
  ExpectSameBitsAgain([&] { return Run(table, E); });
  EXPECT_TRUE(SameBits(Run(table, E, 3), Run(table, E)));
}

BATON_DEVICE_SUITE(CudaEmbedding);

}  // namespace
}  // namespace baton::kernels::cuda
