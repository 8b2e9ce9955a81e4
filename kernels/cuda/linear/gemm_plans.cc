#include "linear/gemm_plans.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace baton::kernels::cuda {
namespace {

/// Candidates that are looked at for all M: the fastest of them may be particular about M.
constexpr int kCandidates = 16;

std::string Describe(const GemmProblem& problem) {
  return std::to_string(problem.N) + " x " + std::to_string(problem.K) +
         (problem.y_dtype == DType::kFloat32 ? ", float32 out" : "");
}

}  // namespace

int64_t GemmBucket(int64_t M) {
  return M <= 8 ? M : static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(M)));
}

std::vector<int64_t> GemmProbes(int64_t widest) {
  std::vector<int64_t> probes;
  for (const int64_t M : {1, 2, 3, 8, 16, 17, 32, 64, 65, 128, 129, 192, 256, 257, 512, 1024}) {
    if (M < widest) probes.push_back(M);
  }
  probes.push_back(widest);
  return probes;
}

GemmPlans::Key GemmPlans::KeyOf(const GemmProblem& problem, int64_t rows) {
  return {rows,
          problem.N,
          problem.K,
          problem.x_stride,
          problem.y_stride,
          problem.y_dtype,
          problem.has_bias};
}

Status GemmPlans::Fix(const GemmProblem& widest, const Proof& proof) {
  if (!deterministic_) return OkStatus();
  const auto [entry, is_new] = chosen_.try_emplace(KeyOf(widest, 0));
  if (!is_new) return OkStatus();
  Result<GemmAlgorithm> algorithm = Choose(widest, proof);
  if (!algorithm.ok()) return algorithm.status().WithContext(Describe(widest));
  entry->second = *algorithm;
  return OkStatus();
}

Result<GemmAlgorithm> GemmPlans::Choose(const GemmProblem& widest, const Proof& proof) {
  BATON_ASSIGN_OR_RETURN(const std::vector<GemmAlgorithm> candidates,
                         library_.Candidates(widest, true, kCandidates));
  Status last = Unavailable("no algorithm that leaves sums whole");
  for (const GemmAlgorithm& candidate : candidates) {
    if (candidate.split_k > 1 || candidate.reduces) continue;
    const std::vector<int64_t> probes = GemmProbes(widest.M);
    const auto refused = std::find_if(probes.begin(), probes.end(), [&](int64_t M) {
      GemmProblem problem = widest;
      problem.M = M;
      return !library_.Runs(problem, candidate);
    });
    if (refused != probes.end()) {
      last = Unavailable("an algorithm does not run with " + std::to_string(*refused) + " rows");
      continue;
    }
    last = proof(widest, candidate);
    if (last.ok()) return candidate;
  }
  return last;
}

std::optional<GemmAlgorithm> GemmPlans::For(const GemmProblem& problem) {
  if (deterministic_) {
    const auto found = chosen_.find(KeyOf(problem, 0));
    return found == chosen_.end() ? std::nullopt : found->second;
  }
  const auto [entry, is_new] = chosen_.try_emplace(KeyOf(problem, problem.M));
  if (is_new) entry->second = Fastest(problem);
  return entry->second;
}

std::optional<GemmAlgorithm> GemmPlans::Fastest(const GemmProblem& problem) {
  GemmProblem largest = problem;
  largest.M = GemmBucket(problem.M);
  if (problem.M < largest.M) {
    const std::optional<GemmAlgorithm> algorithm = For(largest);
    if (algorithm.has_value() && library_.Runs(problem, *algorithm)) return algorithm;
  }
  // The largest of its range, or one that the range's algorithm does not fit.
  const auto candidates = library_.Candidates(problem, false, 1);
  if (!candidates.ok() || candidates->empty()) return std::nullopt;
  return candidates->front();
}

}  // namespace baton::kernels::cuda
