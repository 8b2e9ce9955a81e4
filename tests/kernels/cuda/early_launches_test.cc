#include <memory>
#include <optional>

#include "baton/device/cuda_stream.h"
#include "baton/kernels/cuda_ops.h"
#include "kernels/cuda/support.h"
#include "linear/skinny.h"
#include "operations.h"

namespace baton::kernels::cuda {
namespace {

/// Kernels that begin before those before them have ended, as only a GPU has them do.
class EarlyLaunches : public testing::Test {
 protected:
  static constexpr int64_t kRows = 5;
  static constexpr int64_t kWidth = 2048;
  static constexpr int kLayers = 64;

  void SetUp() override {
    if (const std::string why = WhyNoDevice(); !why.empty()) GTEST_SKIP() << why;
    auto stream = device::OpenCudaStream(0);
    ASSERT_TRUE(stream.ok()) << stream.status().message();
    stream_ = *std::move(stream);
    o_.emplace(random_);
  }

  /// Norms and products in turn, each of which reads what the one before writes, and writes what it
  /// reads.
  void Enqueue() {
    for (int layer = 0; layer < kLayers; ++layer) {
      RmsNorm({.residual = o_->residual.data(),
               .x = o_->x.data(),
               .w = o_->norm.data(),
               .y = o_->y.data(),
               .activation = DType::kBFloat16,
               .w_dtype = DType::kBFloat16,
               .T = kRows,
               .E = kWidth,
               .eps = 1e-5f},
              *stream_);
      SkinnyLinear({.x = o_->y.data(),
                    .w = o_->weights.data(),
                    .y = o_->x.data(),
                    .x_dtype = DType::kBFloat16,
                    .w_dtype = DType::kBFloat16,
                    .y_dtype = DType::kBFloat16,
                    .T = kRows,
                    .N = kWidth,
                    .K = kWidth,
                    .x_stride = kWidth,
                    .y_stride = kWidth},
                   *stream_);
    }
  }
  std::vector<float> Compute(bool early, bool recorded) {
    CopyToDevice(reinterpret_cast<std::byte*>(o_->residual.data()), o_->start.data(),
                 o_->start.size() * sizeof(float));
    const auto x = ToBFloat16s(o_->start);
    CopyToDevice(reinterpret_cast<std::byte*>(o_->x.data()), x.data(), x.size() * sizeof(BFloat16));
    stream_->SetEarlyLaunches(early);
    if (recorded) {
      EXPECT_TRUE(stream_->Record(1, [&] { Enqueue(); }));
      stream_->Replay(1);
    } else {
      Enqueue();
    }
    stream_->SynchronizeAndWait();
    stream_->ForgetRecordings();
    return o_->residual.Read();
  }

  struct Operands {
    explicit Operands(Random& random)
        : start(Uniform(random, kRows * kWidth)),
          norm(ToBFloat16s(Uniform(random, kWidth))),
          weights(ToBFloat16s(Uniform(random, kWidth * kWidth, -0.02f, 0.02f))) {}
    std::vector<float> start;
    DeviceArray<BFloat16> norm, weights;
    DeviceArray<float> residual{kRows * kWidth};
    DeviceArray<BFloat16> x{kRows * kWidth}, y{kRows * kWidth};
  };

  Random random_{20261126};
  std::unique_ptr<device::CudaStream> stream_;
  std::optional<Operands> o_;
};

TEST_F(EarlyLaunches, ChangeNoBit) {
  const std::vector<float> expected = Compute(false, false);
  for (int round = 0; round < 20; ++round) {
    EXPECT_TRUE(SameBits(Compute(true, false), expected)) << "round " << round;
  }
}

TEST_F(EarlyLaunches, ChangeNoBitOfAGraph) {
  const std::vector<float> expected = Compute(false, false);
  (void)Compute(true, false);  // All kernels are loaded.
  for (int round = 0; round < 20; ++round) {
    EXPECT_TRUE(SameBits(Compute(true, true), expected)) << "round " << round;
  }
}

}  // namespace
}  // namespace baton::kernels::cuda
