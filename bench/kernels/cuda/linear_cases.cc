#include <optional>

#include "baton/base/check.h"
#include "baton/device/memory.h"
#include "linear/cublaslt.h"
#include "linear/gemm_plans.h"
#include "linear/row_proof.h"
#include "linear/skinny.h"
#include "measure.h"

/// Products of a step: bound by reading weights for few rows, by tensor cores for many.
namespace baton::bench {
namespace {

using device::Stream;
using namespace kernels::cuda;

/// Llama-3.1-8B's matrices.
struct Matrix {
  const char* name;
  int64_t N;
  int64_t K;
  DType y_dtype;
};
constexpr Matrix kMatrices[] = {
    {"qkv", 6144, 4096, DType::kBFloat16},      {"o", 4096, 4096, DType::kBFloat16},
    {"gate_up", 28672, 4096, DType::kBFloat16}, {"down", 4096, 14336, DType::kBFloat16},
    {"lm_head", 128256, 4096, DType::kFloat32},
};
/// Rows that a deterministic algorithm is chosen for.
constexpr int64_t kMostRows = 4096;
constexpr int64_t kMostLogitRows = 256;

struct Library {
  std::shared_ptr<device::DeviceMemory> memory;
  std::unique_ptr<GemmLibrary> gemm;
  std::unique_ptr<GemmPlans> fastest;
  std::unique_ptr<GemmPlans> deterministic;
};

/// Loaded by the first case that is measured.
Library& TheLibrary() {
  static Library library = [] {
    Library made;
    auto memory = device::OpenCudaMemory(0);
    BATON_CHECK(memory.ok()) << memory.status();
    made.memory = *std::move(memory);
    auto gemm = LoadCublasLt(*made.memory);
    BATON_CHECK(gemm.ok()) << gemm.status();
    made.gemm = *std::move(gemm);
    made.fastest = std::make_unique<GemmPlans>(*made.gemm, false);
    made.deterministic = std::make_unique<GemmPlans>(*made.gemm, true);
    return made;
  }();
  return library;
}

std::string Shape(const Matrix& matrix, int64_t M) {
  return "M " + std::to_string(M) + " N " + std::to_string(matrix.N) + " K " +
         std::to_string(matrix.K) + " " + matrix.name;
}

GemmProblem ProblemFor(const Matrix& matrix, int64_t M) {
  return {.M = M,
          .N = matrix.N,
          .K = matrix.K,
          .x_stride = matrix.K,
          .y_stride = matrix.N,
          .y_dtype = matrix.y_dtype};
}

GemmOperands OperandsFor(const Matrix& matrix, int64_t M, DeviceSet& set) {
  return {.x = set.BFloat16s(M * matrix.K),
          .w = set.BFloat16s(matrix.N * matrix.K),
          .y = set.Bytes(M * matrix.N * static_cast<int64_t>(DTypeBytes(matrix.y_dtype)))};
}

Case Base(const char* op, const Matrix& matrix, int64_t M) {
  const double m = static_cast<double>(M);
  const double n = static_cast<double>(matrix.N);
  const double k = static_cast<double>(matrix.K);
  return {.op = op,
          .shape = Shape(matrix, M),
          .bytes = 2 * n * k + 2 * m * k + static_cast<double>(DTypeBytes(matrix.y_dtype)) * m * n,
          .flops = 2 * m * n * k};
}

Case SkinnyCase(const Matrix& matrix, int64_t M) {
  Case made = Base("linear: skinny", matrix, M);
  made.prepare = [matrix, M](DeviceSet& set) {
    const GemmOperands operands = OperandsFor(matrix, M, set);
    const ops::LinearParams p{.x = operands.x,
                              .w = operands.w,
                              .y = operands.y,
                              .x_dtype = DType::kBFloat16,
                              .y_dtype = matrix.y_dtype,
                              .T = M,
                              .N = matrix.N,
                              .K = matrix.K,
                              .x_stride = matrix.K,
                              .y_stride = matrix.N};
    return [p](Stream& stream) { SkinnyLinear(p, stream); };
  };
  return made;
}

Case LibraryCase(const Matrix& matrix, int64_t M, bool deterministic) {
  Case made = Base(deterministic ? "linear: cuBLASLt, fixed" : "linear: cuBLASLt", matrix, M);
  made.prepare = [matrix, M, deterministic](DeviceSet& set) {
    const GemmOperands operands = OperandsFor(matrix, M, set);
    const GemmProblem problem = ProblemFor(matrix, M);
    return [=](Stream& stream) {
      Library& library = TheLibrary();
      GemmPlans& plans = deterministic ? *library.deterministic : *library.fastest;
      GemmProblem widest = problem;
      widest.M = matrix.y_dtype == DType::kFloat32 ? kMostLogitRows : kMostRows;
      // Only the first call, outside of any graph, chooses.
      const Status fixed = plans.Fix(widest, [&](const GemmTrial& trial) {
        return ProveRowsAlikeAndWait(*library.gemm, trial, operands, *library.memory, stream);
      });
      const std::optional<GemmAlgorithm> algorithm = plans.For(problem);
      BATON_CHECK(algorithm.has_value()) << fixed;
      const Status status =
          library.gemm->Enqueue(problem, operands, *algorithm, device::AsCuda(stream).native());
      BATON_CHECK(status.ok()) << status;
    };
  };
  return made;
}

}  // namespace

std::vector<Case> LinearCases() {
  std::vector<Case> cases;
  for (const Matrix& matrix : kMatrices) {
    for (const int64_t M : {1, 2, 4, 8}) cases.push_back(SkinnyCase(matrix, M));
    for (const int64_t M : {1, 8, 64, 256, 1024, 4096}) {
      if (M > kMostLogitRows && matrix.y_dtype == DType::kFloat32) continue;
      cases.push_back(LibraryCase(matrix, M, false));
      cases.push_back(LibraryCase(matrix, M, true));
    }
  }
  return cases;
}

}  // namespace baton::bench
