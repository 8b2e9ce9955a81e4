#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "linear/gemm_library.h"

namespace baton::kernels::cuda {

/// Which algorithm of a library computes which product.
///
/// Deterministic: one algorithm for all M of a weight matrix, chosen once by Fix(), so that a row's
/// bits do not depend on how many rows there are. Else: the library's fastest for each range of M.
/// *Threads*: lives on the thread of its owner.
class GemmPlans {
 public:
  /// Says whether rows come out alike for every M, OK where they do. Run on the device.
  using Proof = std::function<Status(const GemmProblem& widest, const GemmAlgorithm& algorithm)>;

  GemmPlans(GemmLibrary& library, bool deterministic)
      : library_(library), deterministic_(deterministic) {}

  /// Chooses for all M up to that of `widest`: the first candidate that divides no sum, runs at
  /// every M looked at and passes the proof. Fails where none does, with the reason; For() then
  /// gives none. Does nothing where it was called for such a matrix before, or not deterministic.
  Status Fix(const GemmProblem& widest, const Proof& proof);

  /// The algorithm for a problem; none: compute it without the library.
  std::optional<GemmAlgorithm> For(const GemmProblem& problem);

 private:
  using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, DType, bool>;

  /// `rows` 0: for any number of them.
  static Key KeyOf(const GemmProblem& problem, int64_t rows);
  std::optional<GemmAlgorithm> Fastest(const GemmProblem& problem);
  Result<GemmAlgorithm> Choose(const GemmProblem& widest, const Proof& proof);

  GemmLibrary& library_;
  const bool deterministic_;
  std::map<Key, std::optional<GemmAlgorithm>> chosen_;
};

/// The range of M that shares an algorithm where each may have its own, named by its largest: 1 to
/// 8 by themselves, then powers of two.
int64_t GemmBucket(int64_t M);

/// Numbers of rows at which an algorithm for up to `widest` of them is tried: the least, the edges
/// of usual tiles and one beside them, and the most.
std::vector<int64_t> GemmProbes(int64_t widest);

}  // namespace baton::kernels::cuda
