#include "support.h"

namespace baton::kernels {
namespace {

class GatherRows : public KernelTest {};

TEST_P(GatherRows, TakesWholeRowsInTheOrderAskedFor) {
  for (const int64_t width : {1, 7, 16, 1000}) {
    SCOPED_TRACE(width);
    const std::vector<float> x = Uniform(random_, 50 * width);
    const std::vector<int32_t> rows = {49, 0, 3, 3, 12};
    for (const ops::Ops* ops : {&cpu(), &reference()}) {
      std::vector<float> y = NanFilled(6 * width);
      ops->gather_rows(
          {.x = x.data(), .rows = rows.data(), .y = y.data(), .T = 5, .row_bytes = width * 4},
          stream_);
      for (size_t i = 0; i < rows.size(); ++i) {
        EXPECT_TRUE(
            SameBits(Rows(y, static_cast<int64_t>(i), 1, width), Rows(x, rows[i], 1, width)));
      }
      EXPECT_TRUE(SameBits(Rows(y, 5, 1, width), NanFilled(width)));
    }
  }
}

BATON_KERNEL_SUITE(GatherRows);

}  // namespace
}  // namespace baton::kernels
