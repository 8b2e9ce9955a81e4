#include "linear/gemm_plans.h"

#include <algorithm>
#include <bit>
#include <iterator>

namespace baton::kernels::cuda {
namespace {

/// Candidates that are looked at: the fastest of them may be particular about M.
constexpr int kCandidates = 16;

std::string Describe(const GemmProblem& problem) {
  return std::to_string(problem.N) + " x " + std::to_string(problem.K) +
         (problem.y_dtype == DType::kFloat32 ? ", float32 out" : "");
}

}  // namespace

int64_t GemmBucket(int64_t M) {
  return M <= 8 ? M : static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(M)));
}

std::vector<int64_t> GemmProbes(int64_t least, int64_t most) {
  std::vector<int64_t> probes = {least};
  for (const int64_t M : {2, 3, 8, 16, 17, 32, 64, 65, 128, 129, 192, 256, 257, 512, 1024}) {
    if (M > least && M < most) probes.push_back(M);
  }
  if (most > least) probes.push_back(most);
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
  const Result<GemmAlgorithm> base = Base(widest, proof);
  if (!base.ok()) return base.status().WithContext(Describe(widest));
  entry->second = *base;
  GemmTrial trial{.most = widest, .base = *base};
  for (const int64_t most_rows : kFewRows) {
    if (most_rows >= widest.M) break;
    trial.most.M = most_rows;
    const auto candidates = library_.Candidates(trial.most, true, kCandidates);
    if (candidates.ok()) {
      const Result<GemmAlgorithm> fastest = FirstOf(*candidates, trial, proof);
      chosen_[KeyOf(widest, most_rows)] = fastest.ok() ? *fastest : *base;
    }
    trial.least_rows = most_rows + 1;
  }
  return OkStatus();
}

Result<GemmAlgorithm> GemmPlans::Base(const GemmProblem& widest, const Proof& proof) {
  BATON_ASSIGN_OR_RETURN(const std::vector<GemmAlgorithm> candidates,
                         library_.Candidates(widest, true, kCandidates));
  Status last = Unavailable("no algorithm that leaves sums whole");
  for (const GemmAlgorithm& candidate : candidates) {
    const auto passed = FirstOf({candidate}, {.most = widest, .base = candidate}, proof);
    if (passed.ok()) return candidate;
    last = passed.status();
  }
  return last;
}

Result<GemmAlgorithm> GemmPlans::FirstOf(const std::vector<GemmAlgorithm>& candidates,
                                         GemmTrial trial, const Proof& proof) {
  const std::vector<int64_t> probes = GemmProbes(trial.least_rows, trial.most.M);
  Status last = Unavailable("no algorithm that leaves sums whole");
  for (const GemmAlgorithm& candidate : candidates) {
    if (candidate.split_k > 1 || candidate.reduces) continue;
    const auto refused = std::find_if(probes.begin(), probes.end(), [&](int64_t M) {
      GemmProblem problem = trial.most;
      problem.M = M;
      return !library_.Runs(problem, candidate);
    });
    if (refused != probes.end()) {
      last = Unavailable("an algorithm does not run with " + std::to_string(*refused) + " rows");
      continue;
    }
    trial.algorithm = candidate;
    last = proof(trial);
    if (last.ok()) return candidate;
  }
  return last;
}

std::optional<GemmAlgorithm> GemmPlans::For(const GemmProblem& problem) {
  if (deterministic_) {
    const auto range = std::lower_bound(std::begin(kFewRows), std::end(kFewRows), problem.M);
    auto found = range == std::end(kFewRows) ? chosen_.end() : chosen_.find(KeyOf(problem, *range));
    if (found == chosen_.end()) found = chosen_.find(KeyOf(problem, 0));
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
