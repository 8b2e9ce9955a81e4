#include "linear/cublaslt.h"

#include <cstring>
#include <span>
#include <type_traits>
#include <utility>

#include <cublasLt.h>
#include <dlfcn.h>

namespace baton::kernels::cuda {
namespace {

/// Its functions that we use, found by name. The descriptors' Init functions are inline in its
/// header and call these.
struct Functions {
  decltype(&cublasLtGetVersion) get_version = nullptr;
  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtDestroy) destroy = nullptr;
  decltype(&cublasLtGetStatusName) status_name = nullptr;
  decltype(&cublasLtMatmulDescInit_internal) init_product = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) set_product = nullptr;
  decltype(&cublasLtMatrixLayoutInit_internal) init_layout = nullptr;
  decltype(&cublasLtMatmulPreferenceInit_internal) init_preference = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic = nullptr;
  decltype(&cublasLtMatmulAlgoCheck) check = nullptr;
  decltype(&cublasLtMatmulAlgoConfigGetAttribute) get_config = nullptr;
  decltype(&cublasLtMatmul) matmul = nullptr;
};

Result<Functions> Load(const std::string& library) {
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* error = dlerror();
    return Unavailable("cuBLASLt cannot be loaded: " +
                       std::string(error == nullptr ? library : error));
  }
  std::string missing;
  const auto find = [&](const char* name, auto& function) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, name));
    if (function == nullptr) missing += (missing.empty() ? "" : ", ") + std::string(name);
  };
  Functions functions;
  find("cublasLtGetVersion", functions.get_version);
  find("cublasLtCreate", functions.create);
  find("cublasLtDestroy", functions.destroy);
  find("cublasLtGetStatusName", functions.status_name);
  find("cublasLtMatmulDescInit_internal", functions.init_product);
  find("cublasLtMatmulDescSetAttribute", functions.set_product);
  find("cublasLtMatrixLayoutInit_internal", functions.init_layout);
  find("cublasLtMatmulPreferenceInit_internal", functions.init_preference);
  find("cublasLtMatmulPreferenceSetAttribute", functions.set_preference);
  find("cublasLtMatmulAlgoGetHeuristic", functions.heuristic);
  find("cublasLtMatmulAlgoCheck", functions.check);
  find("cublasLtMatmulAlgoConfigGetAttribute", functions.get_config);
  find("cublasLtMatmul", functions.matmul);
  if (!missing.empty()) return Unavailable(library + " lacks " + missing);
  return functions;
}

/// A product's descriptors. cuBLASLt is column-major: our y is its D [N, M], transposed, and
/// D = op(A) op(B) with our w as A [K, N], transposed by op, and our x as B [K, M].
struct Descriptors {
  cublasLtMatmulDescOpaque_t product;
  cublasLtMatrixLayoutOpaque_t w;
  cublasLtMatrixLayoutOpaque_t x;
  cublasLtMatrixLayoutOpaque_t y;
};

class CublasLt final : public GemmLibrary {
 public:
  CublasLt(const Functions& functions, cublasLtHandle_t handle, device::Allocation workspace)
      : lt_(functions), handle_(handle), workspace_(std::move(workspace)) {}
  ~CublasLt() override { (void)lt_.destroy(handle_); }

  Result<std::vector<GemmAlgorithm>> Candidates(const GemmProblem& problem, bool whole_sums,
                                                int most) override {
    BATON_ASSIGN_OR_RETURN(Descriptors d, Describe(problem, nullptr));
    cublasLtMatmulPreferenceOpaque_t preference;
    BATON_RETURN_IF_ERROR(
        Check("a preference", lt_.init_preference(&preference, sizeof(preference))));
    BATON_RETURN_IF_ERROR(Prefer(&preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                 uint64_t{kGemmWorkspaceBytes}));
    // Rows of batches begin anywhere: 16 bytes are all that is promised, not the 256 by default.
    for (const auto attribute :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
      BATON_RETURN_IF_ERROR(Prefer(&preference, attribute, uint32_t{16}));
    }
    if (whole_sums) {
      BATON_RETURN_IF_ERROR(Prefer(&preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                                   uint32_t{CUBLASLT_REDUCTION_SCHEME_NONE}));
    }
    std::vector<cublasLtMatmulHeuristicResult_t> found(static_cast<size_t>(most));
    int count = 0;
    BATON_RETURN_IF_ERROR(
        Check("its heuristic", lt_.heuristic(handle_, &d.product, &d.w, &d.x, &d.y, &d.y,
                                             &preference, most, found.data(), &count)));
    std::vector<GemmAlgorithm> algorithms;
    for (const auto& result : std::span(found).first(static_cast<size_t>(count))) {
      if (result.state == CUBLAS_STATUS_SUCCESS) algorithms.push_back(Read(result.algo));
    }
    return algorithms;
  }

  bool Runs(const GemmProblem& problem, const GemmAlgorithm& algorithm) override {
    Result<Descriptors> d = Describe(problem, nullptr);
    if (!d.ok()) return false;
    cublasLtMatmulHeuristicResult_t result;
    const cublasLtMatmulAlgo_t algo = Write(algorithm);
    return lt_.check(handle_, &d->product, &d->w, &d->x, &d->y, &d->y, &algo, &result) ==
               CUBLAS_STATUS_SUCCESS &&
           result.workspaceSize <= kGemmWorkspaceBytes;
  }

  Status Enqueue(const GemmProblem& problem, const GemmOperands& operands,
                 const GemmAlgorithm& algorithm, void* stream) override {
    BATON_ASSIGN_OR_RETURN(Descriptors d, Describe(problem, operands.bias));
    const cublasLtMatmulAlgo_t algo = Write(algorithm);
    const float one = 1;
    const float zero = 0;
    const auto on = static_cast<cudaStream_t>(stream);
    const cublasStatus_t status =
        lt_.matmul(handle_, &d.product, &one, operands.w, &d.w, operands.x, &d.x, &zero, operands.y,
                   &d.y, operands.y, &d.y, &algo, workspace_.get(), kGemmWorkspaceBytes, on);
    // A recording that has failed refuses everything; its end says so.
    cudaStreamCaptureStatus recording = cudaStreamCaptureStatusNone;
    if (status != CUBLAS_STATUS_SUCCESS && cudaStreamIsCapturing(on, &recording) == cudaSuccess &&
        recording == cudaStreamCaptureStatusInvalidated) {
      return OkStatus();
    }
    return Check("a product", status);
  }

 private:
  /// On the stack: nothing here is allocated.
  Result<Descriptors> Describe(const GemmProblem& p, const void* bias) {
    Descriptors d;
    const auto M = static_cast<uint64_t>(p.M);
    const auto N = static_cast<uint64_t>(p.N);
    const auto K = static_cast<uint64_t>(p.K);
    const cudaDataType_t y = p.y_dtype == DType::kFloat32 ? CUDA_R_32F : CUDA_R_16BF;
    BATON_RETURN_IF_ERROR(
        Check("a product's type",
              lt_.init_product(&d.product, sizeof(d.product), CUBLAS_COMPUTE_32F, CUDA_R_32F)));
    BATON_RETURN_IF_ERROR(Set(d, CUBLASLT_MATMUL_DESC_TRANSA, int32_t{CUBLAS_OP_T}));
    BATON_RETURN_IF_ERROR(Check("w", lt_.init_layout(&d.w, sizeof(d.w), CUDA_R_16BF, K, N, p.K)));
    BATON_RETURN_IF_ERROR(
        Check("x", lt_.init_layout(&d.x, sizeof(d.x), CUDA_R_16BF, K, M, p.x_stride)));
    BATON_RETURN_IF_ERROR(Check("y", lt_.init_layout(&d.y, sizeof(d.y), y, N, M, p.y_stride)));
    if (!p.has_bias) return d;
    BATON_RETURN_IF_ERROR(Set(d, CUBLASLT_MATMUL_DESC_EPILOGUE, int32_t{CUBLASLT_EPILOGUE_BIAS}));
    BATON_RETURN_IF_ERROR(Set(d, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, int32_t{CUDA_R_16BF}));
    BATON_RETURN_IF_ERROR(Set(d, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias));
    return d;
  }

  template <typename T>
  Status Set(Descriptors& d, cublasLtMatmulDescAttributes_t attribute, const T& value) {
    return Check("an attribute", lt_.set_product(&d.product, attribute, &value, sizeof(value)));
  }

  template <typename T>
  Status Prefer(cublasLtMatmulPreference_t preference,
                cublasLtMatmulPreferenceAttributes_t attribute, T value) {
    return Check("a preference", lt_.set_preference(preference, attribute, &value, sizeof(value)));
  }

  GemmAlgorithm Read(const cublasLtMatmulAlgo_t& algo) {
    GemmAlgorithm algorithm;
    static_assert(sizeof(algorithm.opaque) == sizeof(algo));
    std::memcpy(algorithm.opaque.data(), &algo, sizeof(algo));
    size_t written = 0;
    uint32_t scheme = CUBLASLT_REDUCTION_SCHEME_NONE;
    (void)lt_.get_config(&algo, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &algorithm.split_k,
                         sizeof(algorithm.split_k), &written);
    (void)lt_.get_config(&algo, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, &scheme, sizeof(scheme),
                         &written);
    algorithm.reduces = scheme != CUBLASLT_REDUCTION_SCHEME_NONE;
    return algorithm;
  }

  static cublasLtMatmulAlgo_t Write(const GemmAlgorithm& algorithm) {
    cublasLtMatmulAlgo_t algo;
    std::memcpy(&algo, algorithm.opaque.data(), sizeof(algo));
    return algo;
  }

  Status Check(const char* what, cublasStatus_t status) const {
    if (status == CUBLAS_STATUS_SUCCESS) return OkStatus();
    return Internal("cuBLASLt, " + std::string(what) + ": " + lt_.status_name(status))
        .WithBlast(Blast::kWorker);
  }

  const Functions lt_;
  const cublasLtHandle_t handle_;
  const device::Allocation workspace_;
};

}  // namespace

Result<std::unique_ptr<GemmLibrary>> LoadCublasLt(device::DeviceMemory& memory,
                                                  const std::string& library) {
  const std::string name =
      library.empty() ? "libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR) : library;
  BATON_ASSIGN_OR_RETURN(const Functions functions, Load(name));
  if (functions.get_version() / 10000 != CUBLAS_VER_MAJOR) {
    return Unavailable(name + " is version " + std::to_string(functions.get_version()) +
                       ", but this was built for " + std::to_string(CUBLAS_VER_MAJOR));
  }
  BATON_ASSIGN_OR_RETURN(device::Allocation workspace, memory.Allocate(kGemmWorkspaceBytes));
  memory.MakeCurrent();
  cublasLtHandle_t handle = nullptr;
  if (const cublasStatus_t status = functions.create(&handle); status != CUBLAS_STATUS_SUCCESS) {
    return Unavailable(name + " gives no handle: " + functions.status_name(status));
  }
  return std::unique_ptr<GemmLibrary>(
      std::make_unique<CublasLt>(functions, handle, std::move(workspace)));
}

}  // namespace baton::kernels::cuda
