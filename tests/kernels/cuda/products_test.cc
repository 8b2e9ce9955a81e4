#include "linear/products.h"

#include <gmock/gmock.h>

#include "baton/device/cuda_stream.h"
#include "kernels/cuda/support.h"
#include "linear/row_proof.h"
#include "linear/skinny.h"
#include "wgmma_gemm/wgmma_gemm.h"

namespace baton::kernels::cuda {
namespace {

using testing::HasSubstr;

/// Memory of the emulator's device, which is the host's.
class EmulatedMemory final : public device::DeviceMemory {
 public:
  std::string_view name() const override { return "emulated"; }
  Result<device::Allocation> Allocate(size_t bytes) override { return Make(bytes); }
  Result<int64_t> FreeBytes() override { return Unavailable("none"); }
  Result<device::Allocation> AllocatePinned(size_t bytes) override { return Make(bytes); }
  Result<std::unique_ptr<device::CopyQueue>> MakeQueue() override { return Unavailable("none"); }
  void MakeCurrent() override {}

 private:
  static device::Allocation Make(size_t bytes) {
    std::shared_ptr<std::byte> memory = DeviceBytes(bytes);
    return device::Allocation(memory.get(), [memory](std::byte*) {});
  }
};

/// Multiplies by our own kernel. Algorithm 1 leaves out the last of K where there are more than 20
/// rows, so that rows are not alike; algorithm 2 is honest; algorithm 3 fails.
class FakeLibrary final : public GemmLibrary {
 public:
  Result<std::vector<GemmAlgorithm>> Candidates(const GemmProblem&, bool, int) override {
    return std::vector<GemmAlgorithm>{{.opaque = {1}}, {.opaque = {2}}};
  }
  bool Runs(const GemmProblem&, const GemmAlgorithm&) override { return true; }
  Status Enqueue(const GemmProblem& p, const GemmOperands& operands, const GemmAlgorithm& algorithm,
                 void*) override {
    ++products;
    if (algorithm.opaque[0] == 3) return Internal("it fails");
    const bool cheats = algorithm.opaque[0] == 1 && p.M > 20;
    if (cheats) zeroed = DeviceBytes(static_cast<size_t>(p.N * p.K) * 2);
    if (cheats) CopyToDevice(zeroed.get(), zeros.data(), zeros.size() * 2);
    if (cheats) SetConstant(zeroed.get());
    SkinnyLinear({.x = operands.x,
                  .w = cheats ? zeroed.get() : operands.w,
                  .bias = operands.bias,
                  .y = operands.y,
                  .x_dtype = DType::kBFloat16,
                  .y_dtype = p.y_dtype,
                  .T = p.M,
                  .N = p.N,
                  .K = p.K,
                  .x_stride = p.x_stride,
                  .y_stride = p.y_stride},
                 DeviceStream());
    return OkStatus();
  }

  int products = 0;
  std::vector<BFloat16> zeros;
  std::shared_ptr<std::byte> zeroed;
};

class CudaProducts : public DeviceTest {
 protected:
  static constexpr int64_t kN = 24;
  static constexpr int64_t kK = 40;

  void SetUp() override {
    DeviceTest::SetUp();
    if (IsSkipped()) return;
    memory_ = std::make_unique<EmulatedMemory>();
    if (dynamic_cast<device::CudaStream*>(&stream()) != nullptr) {
      auto cuda = device::OpenCudaMemory(0);
      ASSERT_TRUE(cuda.ok()) << cuda.status();
      memory_ = *std::move(cuda);
    }
    auto library = std::make_unique<FakeLibrary>();
    library_ = library.get();
    library_->zeros.resize(kN * kK);
    own_ = std::move(library);
    values_ = ToBFloat16s(Uniform(random_, kN * kK));
    w_ = std::make_unique<DeviceArray<BFloat16>>(values_);
    (void)w_->Constant();
  }

  GemmProblem Problem(int64_t M, DType y_dtype = DType::kBFloat16) const {
    return {.M = M, .N = kN, .K = kK, .x_stride = 48, .y_stride = 32, .y_dtype = y_dtype};
  }

  ops::LinearParams Params(int64_t T) const {
    return {.w = w_->data(),
            .x_dtype = DType::kBFloat16,
            .y_dtype = DType::kBFloat16,
            .T = T,
            .N = kN,
            .K = kK,
            .x_stride = 48,
            .y_stride = 32};
  }

  Status Prove(uint64_t algorithm, const GemmProblem& widest) {
    return Prove({.most = widest, .algorithm = {.opaque = {algorithm}}, .base = {.opaque = {2}}});
  }
  Status Prove(const GemmTrial& trial) {
    return ProveRowsAlikeAndWait(*library_, trial, {.w = w_->data()}, *memory_, stream());
  }

  /// Products of one row and of `T`, enqueued by `products`.
  int ProductsOfTheLibrary(Products& products, int64_t T) {
    const DeviceArray<BFloat16> x(ToBFloat16s(Uniform(random_, static_cast<size_t>(T * 48))));
    const DeviceArray<BFloat16> y(static_cast<size_t>(T * 32));
    ops::LinearParams params = Params(T);
    params.x = x.data();
    params.y = y.data();
    const int before = library_->products;
    products.Enqueue(params, stream(), nullptr);
    for (int64_t t = 0; t < T; ++t) {
      EXPECT_FALSE(std::isnan(ToFloat(y.Read()[static_cast<size_t>(t * 32 + kN - 1)])));
    }
    return library_->products - before;
  }

  std::unique_ptr<device::DeviceMemory> memory_;
  std::unique_ptr<GemmLibrary> own_;
  FakeLibrary* library_ = nullptr;
  std::vector<BFloat16> values_;
  std::unique_ptr<DeviceArray<BFloat16>> w_;
};

TEST_P(CudaProducts, ProofHoldsForAnAlgorithmWhoseRowsAreAlike) {
  EXPECT_TRUE(Prove(2, Problem(70)).ok());
  EXPECT_TRUE(Prove(2, Problem(33, DType::kFloat32)).ok());
}

TEST_P(CudaProducts, ProofTellsOfRowsThatDependOnTheirNumber) {
  for (const DType y_dtype : {DType::kBFloat16, DType::kFloat32}) {
    EXPECT_TRUE(Prove(1, Problem(17, y_dtype)).ok());
    const Status status = Prove(1, Problem(33, y_dtype));
    EXPECT_THAT(status.message(), HasSubstr("of 32 rows"));
    EXPECT_THAT(status.message(), HasSubstr("differ from those of a row alone"));
  }
}

TEST_P(CudaProducts, ProofComparesWithTheBaseWhateverTheNumberOfRowsBegins) {
  EXPECT_TRUE(Prove({.least_rows = 9,
                     .most = Problem(16),
                     .algorithm = {.opaque = {1}},
                     .base = {.opaque = {2}}})
                  .ok());
  EXPECT_FALSE(Prove({.least_rows = 33,
                      .most = Problem(40),
                      .algorithm = {.opaque = {1}},
                      .base = {.opaque = {2}}})
                   .ok());
}

TEST_P(CudaProducts, ProofPassesOnWhatTheLibraryFailsWith) {
  EXPECT_EQ(Prove(3, Problem(8)).message(), "it fails");
}

TEST_P(CudaProducts, DeterministicOnesUseTheLibraryForAnyNumberOfRowsOnceFixed) {
  Products products(std::move(own_), true);
  EXPECT_EQ(ProductsOfTheLibrary(products, 3), 0);
  ASSERT_TRUE(products.FixAndWait(Params(40), *memory_, stream()).ok());
  EXPECT_EQ(ProductsOfTheLibrary(products, 1), 1);
  EXPECT_EQ(ProductsOfTheLibrary(products, 40), 1);
}

TEST_P(CudaProducts, OthersLeaveFewRowsToTheSkinnyKernel) {
  Products products(std::move(own_), false);
  EXPECT_EQ(ProductsOfTheLibrary(products, kSkinnyRows), 0);
  EXPECT_EQ(ProductsOfTheLibrary(products, kSkinnyRows + 1), 1);
}

TEST_P(CudaProducts, LeaveWhatTheLibraryDoesNotTakeToOurKernels) {
  ops::LinearParams biased = Params(40);
  biased.bias = w_->data();
  biased.y_dtype = DType::kFloat32;
  ops::LinearParams odd = Params(40);
  odd.K = 39;
  for (const ops::LinearParams& params : {biased, odd}) {
    EXPECT_FALSE(LibraryTakes(params));
    Products products(std::make_unique<FakeLibrary>(), true);
    EXPECT_FALSE(products.FixAndWait(params, *memory_, stream()).ok());
  }
  EXPECT_TRUE(LibraryTakes(Params(40)));
}

/// Products of our own kernels, all of one matrix.
class CudaOwnLinear : public DeviceTest {
 protected:
  static constexpr int64_t kN = 40;
  static constexpr int64_t kK = 264;
  static constexpr int64_t kMostRows = 150;

  void SetUp() override {
    DeviceTest::SetUp();
    if (IsSkipped()) return;
    x_ = std::make_unique<DeviceArray<BFloat16>>(x_values_);
    w_ = std::make_unique<DeviceArray<BFloat16>>(w_values_);
    (void)w_->Constant();
  }

  ops::LinearParams Params(int64_t T, float* y) const {
    return {.x = x_->data(),
            .w = w_->data(),
            .y = y,
            .x_dtype = DType::kBFloat16,
            .y_dtype = DType::kFloat32,
            .T = T,
            .N = kN,
            .K = kK,
            .x_stride = kK,
            .y_stride = kN};
  }

  template <class Compute>
  std::vector<float> Rows(int64_t T, const Compute& compute) {
    const DeviceArray<float> y(static_cast<size_t>(T * kN));
    compute(Params(T, y.data()));
    return y.Read();
  }
  std::vector<float> Own(int64_t T, const BFloat16* bias = nullptr) {
    return Rows(T, [&](ops::LinearParams p) {
      p.bias = bias;
      OwnLinear(p, stream());
    });
  }
  std::vector<float> Skinny(int64_t T, const BFloat16* bias = nullptr) {
    return Rows(T, [&](ops::LinearParams p) {
      p.bias = bias;
      SkinnyLinear(p, stream());
    });
  }
  std::vector<float> Wgmma(int64_t T) {
    return Rows(T, [&](const ops::LinearParams& p) {
      WgmmaGemm({.a = p.x,
                 .b = p.w,
                 .c = p.y,
                 .c_dtype = p.y_dtype,
                 .M = T,
                 .N = kN,
                 .K = kK,
                 .a_stride = kK,
                 .b_stride = kK,
                 .c_stride = kN},
                stream());
    });
  }

  std::vector<BFloat16> x_values_ = ToBFloat16s(Uniform(random_, kMostRows* kK));
  std::vector<BFloat16> w_values_ = ToBFloat16s(Uniform(random_, kN* kK));
  std::unique_ptr<DeviceArray<BFloat16>> x_, w_;
};

TEST_P(CudaOwnLinear, IsOneKernelForAnyNumberOfRows) {
  const std::vector<float> all = Own(kMostRows);
  ASSERT_FALSE(SameBits(Wgmma(kMostRows), Skinny(kMostRows))) << "nothing tells them apart";
  for (const int64_t T : {int64_t{1}, kSkinnyRows, kSkinnyRows + 1, kMostRows}) {
    const std::vector<float> y = Own(T);
    EXPECT_TRUE(SameBits(y, Wgmma(T))) << T;
    EXPECT_TRUE(SameBits<float>(y, {all.begin(), all.begin() + T * kN})) << T;
  }
}

TEST_P(CudaOwnLinear, AgreesWithTheReference) {
  const std::vector<float> x = ToFloats(x_values_);
  std::vector<float> exact(static_cast<size_t>(kMostRows * kN));
  ops::LinearParams host = Params(kMostRows, exact.data());
  host.x = x.data();
  host.x_dtype = DType::kFloat32;
  host.w = w_values_.data();
  ReferenceOps().linear(host, host_stream_);
  const std::vector<float> y = Own(kMostRows);
  for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], exact[i], 1e-4) << i;
}

TEST_P(CudaOwnLinear, AddsABiasInTheSkinnyKernel) {
  const DeviceArray<BFloat16> bias(ToBFloat16s(Uniform(random_, kN)));
  for (const int64_t T : {int64_t{1}, int64_t{30}}) {
    EXPECT_TRUE(SameBits(Own(T, bias.data()), Skinny(T, bias.data()))) << T;
  }
}

BATON_DEVICE_SUITE(CudaProducts);
BATON_DEVICE_SUITE(CudaOwnLinear);

}  // namespace
}  // namespace baton::kernels::cuda
