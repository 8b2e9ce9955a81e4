#include <cuda_runtime_api.h>

#include "baton/device/cuda_stream.h"
#include "baton/kernels/cuda_ops.h"
#include "kernels/cuda/support.h"

namespace baton::kernels {
namespace {

using cuda::DeviceArray;

/// Ops::linear with cuBLASLt, which only a GPU can run.
class LinearOnDevice : public testing::TestWithParam<bool> {
 protected:
  static constexpr int64_t kMostRows = 520;

  void SetUp() override {
    if (const std::string why = cuda::WhyNoDevice(); !why.empty()) GTEST_SKIP() << why;
    auto stream = device::OpenCudaStream(0);
    auto memory = device::OpenCudaMemory(0);
    ASSERT_TRUE(stream.ok() && memory.ok());
    stream_ = *std::move(stream);
    memory_ = *std::move(memory);
  }

  struct Operands {
    Operands(Random& random, int64_t N, int64_t K)
        : x_values(cuda::ToBFloat16s(cuda::Uniform(random, static_cast<size_t>(kMostRows * K)))),
          w_values(cuda::ToBFloat16s(cuda::Uniform(random, static_cast<size_t>(N * K)))),
          bias_values(cuda::ToBFloat16s(cuda::Uniform(random, static_cast<size_t>(N)))),
          x(x_values),
          w(w_values),
          bias(bias_values) {}
    std::vector<BFloat16> x_values, w_values, bias_values;
    DeviceArray<BFloat16> x, w, bias;
  };

  ops::LinearParams Params(const Operands& operands, int64_t T, int64_t N, int64_t K) const {
    return {.x = operands.x.data(),
            .w = operands.w.data(),
            .bias = operands.bias.data(),
            .x_dtype = DType::kBFloat16,
            .y_dtype = DType::kBFloat16,
            .T = T,
            .N = N,
            .K = K,
            .x_stride = K,
            .y_stride = N};
  }

  std::vector<BFloat16> Compute(ops::LinearParams params) {
    const DeviceArray<BFloat16> y(static_cast<size_t>(params.T * params.y_stride));
    params.y = y.data();
    CudaOps().linear(params, *stream_);
    stream_->SynchronizeAndWait();
    return y.Read();
  }

  void Prepare(const ops::LinearParams& widest) {
    const auto reasons = PrepareCudaLinearAndWait(*stream_, *memory_, {.deterministic = GetParam()},
                                                  std::span(&widest, 1));
    ASSERT_TRUE(reasons.ok()) << reasons.status();
    for (const std::string& reason : *reasons)
      std::printf("without cuBLASLt: %s\n", reason.c_str());
  }

  std::unique_ptr<device::CudaStream> stream_;
  std::unique_ptr<device::DeviceMemory> memory_;
  Random random_{7};
};

TEST_P(LinearOnDevice, AgreesWithTheReference) {
  const int64_t N = 768;
  const int64_t K = 1024;
  const Operands operands(random_, N, K);
  Prepare(Params(operands, kMostRows, N, K));
  for (const int64_t T : {1, 7, 130}) {
    const std::vector<float> x = cuda::ToFloats(operands.x_values);
    std::vector<float> exact(static_cast<size_t>(T * N));
    ops::LinearParams host = Params(operands, T, N, K);
    host.x = x.data();
    host.x_dtype = host.y_dtype = DType::kFloat32;
    host.w = operands.w_values.data();
    host.bias = operands.bias_values.data();
    host.y = exact.data();
    device::HostStream host_stream(1);
    ReferenceOps().linear(host, host_stream);
    const std::vector<float> y = cuda::ToFloats(Compute(Params(operands, T, N, K)));
    EXPECT_TRUE(cuda::WithinBFloat16(y, exact, 0.51, 2e-4)) << "T " << T;
    EXPECT_TRUE(cuda::AtMostTwiceOneRounding(y, exact)) << "T " << T;
  }
}

TEST_P(LinearOnDevice, GivesTheSameBitsTwice) {
  const int64_t N = 768;
  const int64_t K = 1024;
  const Operands operands(random_, N, K);
  Prepare(Params(operands, kMostRows, N, K));
  for (const int64_t T : {1, 8, 9, 130}) {
    const ops::LinearParams params = Params(operands, T, N, K);
    EXPECT_TRUE(cuda::SameBits(Compute(params), Compute(params))) << "T " << T;
  }
}

TEST_P(LinearOnDevice, GivesARowTheSameBitsInAnyBatchWhereDeterministic) {
  if (!GetParam()) GTEST_SKIP() << "not promised";
  for (const auto& [N, K] : {std::pair<int64_t, int64_t>{6144, 4096}, {1000, 1032}, {512, 14336}}) {
    const Operands operands(random_, N, K);
    Prepare(Params(operands, kMostRows, N, K));
    const std::vector<BFloat16> all = Compute(Params(operands, kMostRows, N, K));
    for (const int64_t T : {1, 2, 9, 64, 257}) {
      for (const int64_t begin : {int64_t{0}, int64_t{77}, kMostRows - T}) {
        ops::LinearParams params = Params(operands, T, N, K);
        params.x = operands.x.data() + begin * K;
        const std::vector<BFloat16> expected(all.begin() + begin * N,
                                             all.begin() + (begin + T) * N);
        EXPECT_TRUE(cuda::SameBits(Compute(params), expected))
            << "N " << N << " K " << K << " T " << T << " from " << begin;
      }
    }
  }
}

TEST_P(LinearOnDevice, IsReplayedFromAGraph) {
  const int64_t N = 512;
  const int64_t K = 256;
  const Operands operands(random_, N, K);
  Prepare(Params(operands, kMostRows, N, K));
  ops::LinearParams params = Params(operands, 100, N, K);
  const std::vector<BFloat16> expected = Compute(params);
  const DeviceArray<BFloat16> y(expected.size());
  params.y = y.data();
  const auto native = static_cast<cudaStream_t>(stream_->native());
  ASSERT_EQ(cudaStreamBeginCapture(native, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  CudaOps().linear(params, *stream_);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(native, &graph), cudaSuccess);
  cudaGraphExec_t replay = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&replay, graph, 0), cudaSuccess);
  ASSERT_EQ(cudaGraphLaunch(replay, native), cudaSuccess);
  stream_->SynchronizeAndWait();
  EXPECT_TRUE(cuda::SameBits(y.Read(), expected));
  (void)cudaGraphExecDestroy(replay);
  (void)cudaGraphDestroy(graph);
}

INSTANTIATE_TEST_SUITE_P(Deterministic, LinearOnDevice, testing::Bool(),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace baton::kernels
