#include "kernels/cuda/support.h"
#include "operations.h"

namespace baton::kernels::cuda {
namespace {

class CudaGatherRows : public DeviceTest {};

TEST_P(CudaGatherRows, TakesWholeRowsInTheOrderAskedForAndWritesNoMore) {
  const std::vector<int32_t> rows = {19, 0, 3, 3, 12};
  for (const int64_t row_bytes : {1, 15, 16, 4096, 4112, 4100}) {
    SCOPED_TRACE(row_bytes);
    std::vector<uint8_t> x(static_cast<size_t>(20 * row_bytes));
    for (uint8_t& byte : x) byte = static_cast<uint8_t>(random_.Below(255));
    const DeviceArray<uint8_t> device_x(x);
    const DeviceArray<int32_t> device_rows(rows);
    const DeviceArray<uint8_t> y(static_cast<size_t>(6 * row_bytes));
    GatherRows({.x = device_x.data(),
                .rows = device_rows.data(),
                .y = y.data(),
                .T = 5,
                .row_bytes = row_bytes},
               stream());

    std::vector<uint8_t> expected(static_cast<size_t>(6 * row_bytes), 0xff);
    ReferenceOps().gather_rows(
        {.x = x.data(), .rows = rows.data(), .y = expected.data(), .T = 5, .row_bytes = row_bytes},
        host_stream_);
    EXPECT_TRUE(SameBits(y.Read(), expected));
  }
}

BATON_DEVICE_SUITE(CudaGatherRows);

}  // namespace
}  // namespace baton::kernels::cuda
