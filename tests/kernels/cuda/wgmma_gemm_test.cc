#include "wgmma_gemm/wgmma_gemm.h"

#include <set>

#include "kernels/cuda/support.h"

namespace baton::kernels::cuda {
namespace {

struct Shape {
  int64_t M = 0;
  int64_t N = 0;
  int64_t K = 0;
};

/// Rows of `width` with NaN behind them up to `stride`.
std::vector<BFloat16> Padded(const std::vector<float>& rows, int64_t width, int64_t stride) {
  std::vector<BFloat16> padded;
  for (size_t i = 0; i < rows.size(); ++i) {
    padded.push_back(ToBFloat16(rows[i]));
    if (static_cast<int64_t>(i + 1) % width != 0) continue;
    padded.insert(padded.end(), static_cast<size_t>(stride - width), BFloat16{0x7fff});
  }
  return padded;
}

class CudaWgmmaGemm : public DeviceTest {
 protected:
  /// The first `M` rows of a problem's product, [M, N], and NaN in what lies beside it.
  template <class T>
  std::vector<T> Run(const Shape& s, const std::vector<float>& a, const std::vector<float>& b) {
    const int64_t in_stride = s.K + 8;
    const int64_t c_stride = s.N + 3;
    const DeviceArray<BFloat16> device_a(Padded(a, s.K, in_stride));
    const DeviceArray<BFloat16> device_b(Padded(b, s.K, in_stride));
    const DeviceArray<T> c(static_cast<size_t>(s.M * c_stride));
    WgmmaGemm({.a = device_a.data(),
               .b = device_b.data(),
               .c = c.data(),
               .c_dtype = sizeof(T) == 4 ? DType::kFloat32 : DType::kBFloat16,
               .M = s.M,
               .N = s.N,
               .K = s.K,
               .a_stride = in_stride,
               .b_stride = in_stride,
               .c_stride = c_stride},
              stream());
    const std::vector<T> padded = c.Read();
    std::vector<T> rows;
    for (size_t i = 0; i < padded.size(); ++i) {
      if (static_cast<int64_t>(i) % c_stride < s.N) {
        rows.push_back(padded[i]);
      } else {
        EXPECT_TRUE(SameBits(std::vector{padded[i]}, Untouched<T>())) << "beside the row at " << i;
      }
    }
    return rows;
  }

  template <class T>
  static std::vector<T> Untouched() {
    std::vector<T> value(1);
    std::memset(static_cast<void*>(value.data()), 0xff, sizeof(T));
    return value;
  }

  /// Values that are bfloat16's.
  std::vector<float> Operand(int64_t rows, int64_t K) {
    return ToFloats(ToBFloat16s(Uniform(random_, static_cast<size_t>(rows * K))));
  }
};

std::vector<double> Exact(const Shape& s, const std::vector<float>& a,
                          const std::vector<float>& b) {
  std::vector<double> c(static_cast<size_t>(s.M * s.N));
  for (int64_t m = 0; m < s.M; ++m) {
    for (int64_t n = 0; n < s.N; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < s.K; ++k) {
        sum += double{a[static_cast<size_t>(m * s.K + k)]} * b[static_cast<size_t>(n * s.K + k)];
      }
      c[static_cast<size_t>(m * s.N + n)] = sum;
    }
  }
  return c;
}

TEST_P(CudaWgmmaGemm, IsExactToFloat32ForOddExtents) {
  for (const Shape& s :
       {Shape{1, 1, 8}, {3, 130, 64}, {127, 65, 72}, {128, 128, 256}, {130, 129, 328}}) {
    SCOPED_TRACE(testing::Message() << s.M << " x " << s.N << " x " << s.K);
    const std::vector<float> a = Operand(s.M, s.K);
    const std::vector<float> b = Operand(s.N, s.K);
    const std::vector<float> c = Run<float>(s, a, b);
    const std::vector<double> exact = Exact(s, a, b);
    for (size_t i = 0; i < c.size(); ++i) ASSERT_NEAR(c[i], exact[i], 1e-6 * s.K) << i;
  }
}

TEST_P(CudaWgmmaGemm, RoundsToBFloat16Once) {
  const Shape s{70, 140, 136};
  const std::vector<float> a = Operand(s.M, s.K);
  const std::vector<float> b = Operand(s.N, s.K);
  const std::vector<BFloat16> rounded = Run<BFloat16>(s, a, b);
  EXPECT_TRUE(SameBits(rounded, ToBFloat16s(Run<float>(s, a, b))));
  const std::vector<double> exact = Exact(s, a, b);
  EXPECT_TRUE(AtMostTwiceOneRounding(ToFloats(rounded), {exact.begin(), exact.end()}));
}

TEST_P(CudaWgmmaGemm, GivesARowTheSameBitsAloneAndAmongOthers) {
  const Shape s{150, 40, 200};
  const std::vector<float> a = Operand(s.M, s.K);
  const std::vector<float> b = Operand(s.N, s.K);
  const std::vector<float> together = Run<float>(s, a, b);
  const std::vector<float> last_row(a.end() - s.K, a.end());
  EXPECT_TRUE(SameBits(Run<float>({1, s.N, s.K}, last_row, b),
                       std::vector<float>(together.end() - s.N, together.end())));
}

TEST_P(CudaWgmmaGemm, GivesTheSameBitsTwice) {
  const Shape s{140, 136, 328};
  const std::vector<float> a = Operand(s.M, s.K);
  const std::vector<float> b = Operand(s.N, s.K);
  ExpectSameBitsAgain([&] { return Run<float>(s, a, b); });
}

BATON_DEVICE_SUITE(CudaWgmmaGemm);

}  // namespace
}  // namespace baton::kernels::cuda
