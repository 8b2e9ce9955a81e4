#pragma once

#include <memory>
#include <optional>

#include "baton/app/bench_flags.h"
#include "baton/loadgen/prompts.h"
#include "baton/loadgen/words.h"

namespace baton::app {

/// Makes the loads and prompts that the flags ask for.
class LoadMaker {
 public:
  /// Reads the files of the flags, which outlive it. Fails with NotFound or InvalidArgument.
  static Result<LoadMaker> Make(const BenchFlags& flags, const BenchPlan& plan);

  /// To be made before the words are known.
  std::unique_ptr<loadgen::Prompts> MakePrompts(loadgen::WordList words) const;
  /// A load of this rate, or of the plan's own, which is the trace's where it has none.
  loadgen::LoadOptions MakeLoad(uint64_t round, std::optional<double> rate) const;
  /// `requests` one after the other.
  loadgen::LoadOptions MakeWarmup(int32_t requests) const;

  /// "trace", "text" or "synthetic".
  const char* prompts_kind() const;

 private:
  LoadMaker(const BenchFlags& flags, const BenchPlan& plan) : flags_(&flags), plan_(&plan) {}

  std::vector<Duration> TraceTimes(std::optional<double> rate) const;
  /// The mean rate of the requests of the trace that are sent.
  double TraceRate() const;

  const BenchFlags* flags_;
  const BenchPlan* plan_;
  loadgen::Trace trace_;
  std::vector<std::string> lines_;
};

}  // namespace baton::app
