#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "baton/loadgen/goodput.h"
#include "baton/loadgen/lengths.h"
#include "baton/loadgen/load_run.h"
#include "baton/loadgen/slo.h"

namespace baton::app {

/// `baton bench`'s own flags, as they were written. Empty and 0: not given.
struct BenchFlags {
  loadgen::ServerAddress server;
  std::string model;
  std::string endpoint = "completions";
  double temperature = 0;
  std::string extra_body = "{}";
  bool no_ignore_eos = false;
  double timeout_s = 600;

  std::string arrivals;
  double rate = 0;
  double cv = 0;
  int32_t concurrency = 0;
  int64_t requests = 0;
  double duration_s = 0;
  int32_t warmup = 0;

  std::string prompts;
  std::string prompt_tokens;
  std::string output_tokens;
  int32_t prefix_tokens = 0;
  int32_t prefixes = 1;
  std::string trace;
  double time_scale = 0;
  double length_scale = 1;
  int32_t max_prompt_tokens = 0;
  int32_t max_output_tokens = 0;
  uint64_t seed = 0;

  std::vector<std::string> slos;
  bool goodput = false;
  double goal = 0.9;
  double precision = 0.05;
  double max_rate = 0;

  std::string json;
  bool records = false;
  std::string html;
  std::string label;
  bool quiet = false;
  /// JSON files of earlier runs, to be shown on one page instead of running one.
  std::vector<std::string> compare;
};

enum class LoopKind : uint8_t { kOpen, kTrace, kClosed };

/// What the flags ask for, checked.
struct BenchPlan {
  LoopKind loop = LoopKind::kOpen;
  loadgen::ArrivalOptions arrivals;
  loadgen::Extent extent;
  loadgen::Lengths prompt_tokens;
  loadgen::Lengths output_tokens;
  std::vector<loadgen::Slo> slos;
  loadgen::GoodputOptions search;
};

/// Fails with InvalidArgument naming a flag and what to write instead.
Result<BenchPlan> CheckBenchFlags(const BenchFlags& flags);

}  // namespace baton::app
