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

/// An algorithm that is to be tried for products of so many rows.
struct GemmTrial {
  int64_t least_rows = 1;
  GemmProblem most;  ///< With the most rows.
  GemmAlgorithm algorithm;
  /// What computes a row alone.
  GemmAlgorithm base;
};

/// Which algorithm of a library computes which product.
///
/// Deterministic: chosen once by Fix(), so that a row's bits do not depend on how many rows there
/// are: one algorithm, and for few rows others that give the same bits. Else: the library's fastest
/// for each range of M. *Threads*: lives on the thread of its owner.
class GemmPlans {
 public:
  /// Says whether the algorithm gives rows the bits that the base gives each alone, OK where it
  /// does. Run on the device.
  using Proof = std::function<Status(const GemmTrial& trial)>;

  GemmPlans(GemmLibrary& library, bool deterministic)
      : library_(library), deterministic_(deterministic) {}

  /// Chooses for all M up to that of `widest`: as base the first candidate that divides no sum,
  /// runs at every M looked at and passes the proof against itself; then for each range of few rows
  /// its fastest that passes against the base, which large tiles serve badly. Fails where there is
  /// no base, with the reason; For() then gives none. Does nothing where it was called for such a
  /// matrix before, or not deterministic.
  Status Fix(const GemmProblem& widest, const Proof& proof);

  /// The algorithm for a problem; none: compute it without the library.
  std::optional<GemmAlgorithm> For(const GemmProblem& problem);

 private:
  using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, DType, bool>;

  /// `rows` 0: the base.
  static Key KeyOf(const GemmProblem& problem, int64_t rows);
  std::optional<GemmAlgorithm> Fastest(const GemmProblem& problem);
  Result<GemmAlgorithm> Base(const GemmProblem& widest, const Proof& proof);
  /// The first of the candidates that passes; the trial's algorithm is not looked at.
  Result<GemmAlgorithm> FirstOf(const std::vector<GemmAlgorithm>& candidates, GemmTrial trial,
                                const Proof& proof);

  GemmLibrary& library_;
  const bool deterministic_;
  std::map<Key, std::optional<GemmAlgorithm>> chosen_;
};

/// The range of M that shares an algorithm where each may have its own, named by its largest: 1 to
/// 8 by themselves, then powers of two.
int64_t GemmBucket(int64_t M);

/// The most rows of the ranges of few rows, ascending: where bits must not depend on M.
inline constexpr int64_t kFewRows[] = {8, 16, 32, 64, 128, 256, 512};

/// Numbers of rows within [least, most] at which an algorithm is tried: both, the edges of usual
/// tiles and one beside them.
std::vector<int64_t> GemmProbes(int64_t least, int64_t most);

}  // namespace baton::kernels::cuda
