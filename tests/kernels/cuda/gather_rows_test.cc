#include "kernels/cuda/support.h"
#include "operations.h"

namespace baton::kernels::cuda {
namespace {

class CudaGatherRows : public DeviceTest {
 protected:
  const std::vector<int32_t> rows_ = {19, 0, 3, 3, 12};

  /// 20 rows; no byte is that of memory nobody wrote.
  std::vector<uint8_t> Rows(int64_t row_bytes) {
    std::vector<uint8_t> x(static_cast<size_t>(20 * row_bytes));
    for (uint8_t& byte : x) byte = static_cast<uint8_t>(random_.Below(255));
    return x;
  }

  /// The five rows, and 0xFF in one behind them. They lie `shift` bytes after an address that all
  /// accesses fit.
  std::vector<uint8_t> Run(const std::vector<uint8_t>& x, int64_t row_bytes, size_t shift = 0) {
    std::vector<uint8_t> shifted(shift);
    shifted.insert(shifted.end(), x.begin(), x.end());
    const DeviceArray<uint8_t> device_x(shifted);
    const DeviceArray<int32_t> device_rows(rows_);
    const DeviceArray<uint8_t> y(static_cast<size_t>(6 * row_bytes));
    GatherRows({.x = device_x.data() + shift,
                .rows = device_rows.data(),
                .y = y.data(),
                .T = 5,
                .row_bytes = row_bytes},
               stream());
    return y.Read();
  }
};

TEST_P(CudaGatherRows, TakesWholeRowsInTheOrderAskedForAndWritesNoMore) {
  for (const int64_t row_bytes : {1, 15, 16, 17, 4096, 4112, 4100}) {
    SCOPED_TRACE(row_bytes);
    const std::vector<uint8_t> x = Rows(row_bytes);
    std::vector<uint8_t> expected(static_cast<size_t>(6 * row_bytes), 0xff);
    ReferenceOps().gather_rows(
        {.x = x.data(), .rows = rows_.data(), .y = expected.data(), .T = 5, .row_bytes = row_bytes},
        host_stream_);
    EXPECT_TRUE(SameBits(Run(x, row_bytes), expected));
  }
}

TEST_P(CudaGatherRows, GivesTheSameBitsTwiceAndWhereverRowsBegin) {
  const std::vector<uint8_t> x = Rows(4096);
  ExpectSameBitsAgain([&] { return Run(x, 4096); });
  EXPECT_TRUE(SameBits(Run(x, 4096, 1), Run(x, 4096)));
}

BATON_DEVICE_SUITE(CudaGatherRows);

}  // namespace
}  // namespace baton::kernels::cuda
