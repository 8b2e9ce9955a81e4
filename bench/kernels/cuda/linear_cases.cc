#include <map>
#include <string>

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

Result<Library> LoadLibrary() {
  Library made;
  BATON_ASSIGN_OR_RETURN(made.memory, device::OpenCudaMemory(0));
  BATON_ASSIGN_OR_RETURN(made.gemm, LoadCublasLt(*made.memory));
  made.fastest = std::make_unique<GemmPlans>(*made.gemm, false);
  made.deterministic = std::make_unique<GemmPlans>(*made.gemm, true);
  return made;
}

/// Loaded by the first case that is measured.
Result<Library>& TheLibrary() {
  static Result<Library> library = LoadLibrary();
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

GemmPlans& PlansOf(Library& library, bool deterministic) {
  return deterministic ? *library.deterministic : *library.fastest;
}

/// Chooses for all of a matrix's problems, outside of any graph and once.
Status Fix(const Matrix& matrix, Library& library, Stream& stream) {
  static std::map<std::string, Status> fixed;
  const auto [entry, is_new] = fixed.try_emplace(matrix.name);
  if (!is_new) return entry->second;
  DeviceSet set(1);
  const GemmOperands operands{.w = set.BFloat16s(matrix.N * matrix.K)};
  const int64_t most = matrix.y_dtype == DType::kFloat32 ? kMostLogitRows : kMostRows;
  entry->second = library.deterministic->Fix(ProblemFor(matrix, most), [&](const GemmTrial& trial) {
    return ProveRowsAlikeAndWait(*library.gemm, trial, operands, *library.memory, stream);
  });
  return entry->second;
}

Status CheckLibrary(const Matrix& matrix, int64_t M, bool deterministic, Stream& stream) {
  if (!TheLibrary().ok()) return TheLibrary().status();
  Library& library = *TheLibrary();
  if (deterministic) BATON_RETURN_IF_ERROR(Fix(matrix, library, stream));
  const bool found = PlansOf(library, deterministic).For(ProblemFor(matrix, M)).has_value();
  return found ? OkStatus() : Unavailable("cuBLASLt has no algorithm");
}

Case LibraryCase(const Matrix& matrix, int64_t M, bool deterministic) {
  Case made = Base(deterministic ? "linear: cuBLASLt, fixed" : "linear: cuBLASLt", matrix, M);
  made.check = [=](Stream& stream) { return CheckLibrary(matrix, M, deterministic, stream); };
  made.prepare = [=](DeviceSet& set) {
    const GemmOperands operands = OperandsFor(matrix, M, set);
    const GemmProblem problem = ProblemFor(matrix, M);
    return [=](Stream& stream) {
      Library& library = *TheLibrary();
      const Status status =
          library.gemm->Enqueue(problem, operands, *PlansOf(library, deterministic).For(problem),
                                device::AsCuda(stream).native());
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
